"""EasyOCR's detector CRAFT, its weights set by hand so that its region score is the edge energy of writing.

Writing is where strokes stand close together on one level: a rising and a falling edge within a stroke's width, and
more of them to the left and right. Every layer that is used is either a sum over neighbours that saturates at 1 (a
pair of channels, relu(x) and relu(x - 1), whose difference the next layer takes) or passes a channel on; everything
else is zero and batch normalisation is the identity. Layers are those of `easyocr.craft.CRAFT` (Baek et al. 2019).
"""

from __future__ import annotations

from typing import Any

FAINT, CLEAR = 0.10, 0.26  # steps of grey (of 1) across three pixels: no edge below, a whole one above
DENSE = 0.38  # share of the columns within about 60 pixels that must hold strokes
SHARP = 6.0  # how steeply the score rises there
_GREY = (0.299, 0.587, 0.114)
_DEVIATION = (0.229, 0.224, 0.225)  # by which EasyOCR divides the colours
_ROW = ((0, -1), (0, 0), (0, 1))  # neighbours on the left, in the middle, on the right
_CROSS = (*_ROW, (-1, 0), (1, 0))
_HERE = ((0, 0),)


def craft() -> Any:
    """A `easyocr.craft.CRAFT` that marks writing of about 12 to 60 pixels; the same each time."""
    import torch
    from easyocr.craft import CRAFT

    network = CRAFT()
    network.eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            normalises = name.endswith(".weight") and parameter.dim() == 1
            parameter.fill_(1.0 if normalises else 0.0)
        _edges(network.basenet)
        _density(network.basenet)
        _score(network)
    return network


def _edges(base: Any) -> None:
    """Full and half size: channels 0, 1 rising and 2, 3 falling edges, each spread over its neighbours, as pairs."""
    first, second, third, fourth = (base.get_submodule(f"slice1.{place}") for place in (0, 3, 7, 10))
    for channel, sign in ((0, 1.0), (1, -1.0)):
        for row, share in ((-1, 0.25), (0, 0.5), (1, 0.25)):
            for column in (-1, 1):
                for colour, (weight, deviation) in enumerate(zip(_GREY, _DEVIATION, strict=True)):
                    slope = sign * column * share * weight * deviation / (CLEAR - FAINT)
                    first.weight[channel, colour, row + 1, column + 1] = slope
        first.bias[channel] = -FAINT / (CLEAR - FAINT)
    for pair in (0, 2):
        _pair(second, pair, [(pair // 2, _HERE, 1.0)])
        _pair(third, pair, _whole(pair, _ROW))
        _pair(fourth, pair, _whole(pair, _ROW))


def _density(base: Any) -> None:
    """A quarter and an eighth of the size: how many of the columns around hold strokes, in channel 0, in [0, 1]."""
    strokes, near = (base.get_submodule(f"slice2.{place}") for place in (14, 17))
    smooth, apart, wide = (base.get_submodule(f"slice3.{place}") for place in (20, 24, 27))
    for channel, offset in enumerate((-1, 0, 1)):
        # a stroke is where both edges are
        _tap(strokes, channel, [*_whole(0, ((0, offset),)), *_whole(2, ((0, offset),))], bias=-1.0)
        _tap(apart, channel, [(0, ((0, offset),), 1.0)])
    five = [(0, ((0, -1), (0, 0)), 0.2), (1, _HERE, 0.2), (2, ((0, 0), (0, 1)), 0.2)]  # columns -2 .. 2
    _tap(near, 0, five)
    _tap(smooth, 0, [(0, _ROW, 1 / 3)])
    _tap(wide, 0, five)


def _score(network: Any) -> None:
    """Back up to half the size: strokes where they are dense are writing; spread sideways they link its letters."""
    eighth, quarter, half, last = (network.upconv2.conv, network.upconv3.conv, network.upconv4.conv, network.conv_cls)
    from_below = {"eighth": 256, "quarter": 128, "half": 64}  # channels that come up, before those of the same size
    _pair(eighth[0], 0, [(from_below["eighth"], _HERE, SHARP)], bias=-SHARP * DENSE)
    _tap(eighth[3], 0, _whole(0, _HERE))
    _tap(quarter[0], 0, [(0, _HERE, 1.0)])
    _tap(quarter[3], 0, [(0, _HERE, 1.0)])
    text, link = 0, 2
    edges = [*_whole(from_below["half"], _HERE), *_whole(from_below["half"] + 2, _HERE)]  # rising and falling
    dense = (0, _HERE, 2.0)
    _pair(half[0], text, [*edges, *edges, dense], bias=-4.0)  # both edges, and dense: 2 * (1 + 1 + 1) - 4
    _pair(half[0], link, [*edges, dense], bias=-2.0)  # either edge, and dense
    _pair(half[3], text, _whole(text, _HERE))
    _pair(half[3], link, _whole(link, _CROSS))
    for layer in (last[0], last[2], last[4]):
        _pair(layer, text, _whole(text, _HERE))
        _pair(layer, link, _whole(link, _ROW))
    _tap(last[6], 0, _whole(text, _HERE))
    _tap(last[6], 1, _whole(link, _HERE))
    _tap(last[8], 0, [(0, _HERE, 1.0)])
    _tap(last[8], 1, [(1, _HERE, 1.0)])


Source = tuple[int, tuple[tuple[int, int], ...], float]  # channel, neighbours (row, column), weight


def _whole(pair: int, neighbours: tuple[tuple[int, int], ...], weight: float = 1.0) -> list[Source]:
    """The saturated sum that a pair of channels stands for."""
    return [(pair, neighbours, weight), (pair + 1, neighbours, -weight)]


def _tap(layer: Any, channel: int, sources: list[Source], bias: float = 0.0) -> None:
    middle = layer.kernel_size[0] // 2
    for source, neighbours, weight in sources:
        for row, column in neighbours:
            layer.weight[channel, source, row + middle, column + middle] += weight
    layer.bias[channel] = bias


def _pair(layer: Any, channel: int, sources: list[Source], bias: float = 0.0) -> None:
    """relu(x) and relu(x - 1) in two channels: their difference is x, kept within [0, 1]."""
    _tap(layer, channel, sources, bias)
    _tap(layer, channel + 1, sources, bias - 1.0)
