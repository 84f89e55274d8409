"""What can go wrong, said so that the reader knows which file it was and what to do.

Every error survives pickling (worker processes raise them) and carries the advice that the failures table shows.
"""

from __future__ import annotations


class ReelscopeError(Exception):
    """Base of all errors of ours: a message for people and the advice that goes with it."""

    advice = "See the message; `reelscope doctor` checks the installation."

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if advice is not None:
            self.advice = advice

    def __reduce__(self) -> tuple[type[ReelscopeError], tuple[str, str]]:
        return type(self), (self.message, self.advice)


class UsageError(ReelscopeError):
    """Bad usage or bad input known before work starts: one clear line, exit code 2."""

    advice = "Correct the command; `--help` shows an example."


class MediaError(ReelscopeError):
    """A file that cannot be read as video."""

    advice = "Download or export the file again; if a player shows it, re-encode it with ffmpeg."


class NotAVideo(MediaError):
    """The content is not a media format that we read."""

    advice = "The content is not a video. Remove the file from the source, or export it as mp4, mov, webm or mkv."


class NoPictures(MediaError):
    """A media file without a video stream."""

    advice = "The file has sound but no pictures. Reelscope needs a video stream; leave audio files out of the source."


class DamagedMedia(MediaError):
    """A video whose frames cannot be decoded, or only too few of them."""

    advice = (
        "The file is cut short or damaged. Download it again; `ffmpeg -v error -i FILE -f null -` shows the damage."
    )


class NoDecoder(MediaError):
    """A video in a codec that the decoder does not know, or that is encrypted."""

    advice = "Re-encode the file as h264 mp4 with ffmpeg; what is encrypted must be decrypted first."


class TooLarge(MediaError):
    """Frames, or a header, that would take more memory than a video may."""

    advice = "Raise limits.pixels with --set and use `reelscope retry`, or re-encode the file smaller."


class TooLong(MediaError):
    """A video that goes on for longer than a video may."""

    advice = "Raise limits.duration_s with --set and use `reelscope retry`, or cut the file."


class UnreadableSource(ReelscopeError):
    """A file of the source that is not there, or may not be read."""

    advice = "Check that the file exists and that this user may read it."


class SourceUnreachable(ReelscopeError):
    """A source whose reading failed for a reason that may pass, as often as it was tried."""

    advice = (
        "Check the disk, the share or the network that holds it; the next run tries again. "
        "limits.io_tries and limits.io_wait_s say how patiently."
    )


class OutOfBounds(ReelscopeError):
    """A file outside of what its source may name: another folder, or a scheme that is not allowed."""

    advice = "If it is meant, allow it with sources.roots or sources.schemes."


class DuplicateVideo(ReelscopeError):
    """A second file with an explicit id that is taken."""

    advice = "Give each video its own id in its sidecar or manifest, or remove the copy."


class EngineError(ReelscopeError):
    """An OCR or speech engine that cannot be had."""

    advice = "Choose another engine with --ocr or --speech, or fetch the weights as the message says."


class VideoTimeout(ReelscopeError):
    """A video that took longer than its time limit."""

    advice = "Raise limits.video_s with --set and use `reelscope retry`, or re-encode the file."


class WorkerDied(ReelscopeError):
    """The worker process that held the video died (out of memory, or a crash in a decoder)."""

    advice = (
        "Re-encode the file with ffmpeg; if several videos end like this, lower --workers to leave more memory each."
    )


class MemoryExceeded(ReelscopeError):
    """A video that made its worker process hold more memory than it may."""

    advice = (
        "Raise limits.worker_mb (limits.device_mb for the process that holds a device) with --set and use "
        "`reelscope retry`, or re-encode the file smaller."
    )


class DeviceLost(ReelscopeError):
    """A device that failed under the process that held it, and again under a new one."""

    advice = (
        "`nvidia-smi` shows the device's state; the next run tries again, and `--set pools.gpu=off` does without it."
    )


class StorageError(ReelscopeError):
    """A result that cannot be written: a full disk, a folder that is read-only or gone."""

    advice = "Free some space or restore the folder; what was finished before is kept, and the same command goes on."


class PoolStopped(ReelscopeError):
    """The run was stopped while a video was waiting for a worker."""

    advice = "Run the same command again; it goes on from there."


#: Failures of the surroundings: however often they come, the content is not to blame. Last, what torch says of a device
#: whose memory others use as well.
_OF_SURROUNDINGS = {
    *(
        kind.__name__
        for kind in (
            SourceUnreachable,
            UnreadableSource,
            OutOfBounds,
            EngineError,
            DeviceLost,
            StorageError,
            PoolStopped,
        )
    ),
    "OutOfMemoryError",
}


def blames_content(error_type: str) -> bool:
    """Does a failure of this type count towards leaving the content alone? So do errors that we have not foreseen."""
    return error_type not in _OF_SURROUNDINGS
