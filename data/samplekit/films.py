"""The samples themselves: what is shown, written, said and posted."""

from __future__ import annotations

from fractions import Fraction

from data.samplekit import classroom, desk, gym, kitchen, outdoors, people
from data.samplekit.captions import Caption
from data.samplekit.film import Film, Shot
from data.samplekit.sound import Line

_UPRIGHT = (540, 960)
_WIDE = (854, 480)


GARLIC_PASTA = Film(
    name="garlic-pasta.mp4",
    niche="cooking",
    size=_UPRIGHT,
    fps=Fraction(30),
    shots=[
        Shot(kitchen.plate, 1.1, {"table": "#2f4f5f"}, spin=7, zoom=0.04),
        Shot(kitchen.pan, 0.8, {"food": "#f0a35e"}, spin=-6),
        Shot(kitchen.board, 0.9, {"worktop": "#e8e4da"}, zoom=0.05),
        Shot(kitchen.board, 0.6, {"worktop": "#9b2226"}, zoom=0.25, pan=(30, 0), shake=3),
        Shot(kitchen.pot, 1.0, zoom=0.03),
        Shot(kitchen.plate, 0.6, {"table": "#7f9172", "dish": "salad"}, spin=-9),
        Shot(kitchen.pan, 1.0, {"food": "#f6c453"}, zoom=0.08, shake=3),
        Shot(kitchen.pot, 0.7, zoom=0.12, shake=3),
        Shot(kitchen.plate, 2.8, {"table": "#b56576"}, spin=5, zoom=0.03),
    ],
    captions=[
        Caption("Garlic pasta", 0.2, 1.9, 0.14, size=0.105),
        Caption("in 60 seconds", 0.2, 1.9, 0.215, size=0.085, colour="#ffe14d"),
        Caption("Slice it thin", 2.0, 3.3, 0.8),
        Caption("Save the water", 3.5, 5.0, 0.8),
        Caption("Toss it hot", 5.2, 6.5, 0.8),
        Caption("Follow for more", 7.4, 9.5, 0.16, style="box", box="#e63946"),
    ],
    lines=[
        Line("Garlic pasta in sixty seconds.", 0.25, "en-us", 175, 60),
        Line("Slice the garlic thin, and save the water.", 3.2, "en-us", 165, 60),
        Line("Follow for more.", 7.6, "en-us", 150, 60),
    ],
    music="lofi",
    crf=29,
)

SMASH_BURGER = Film(
    name="smash-burger.mp4",
    niche="cooking",
    size=(640, 640),
    fps=Fraction(25),
    shots=[
        Shot(kitchen.burger, 1.4, {"begin": 6, "wall": "#d62828"}, zoom=0.08),
        Shot(kitchen.pan, 1.8, {"food": "#8a4b2a"}, zoom=0.04),
        Shot(kitchen.burger, 3.4, {"begin": 0, "wall": "#ffb703"}, zoom=0.03),
        Shot(kitchen.burger, 2.2, {"begin": 6, "wall": "#1d7874"}, zoom=-0.01, shake=3),
    ],
    captions=[
        Caption(
            "The smash burger", 0.4, 2.0, 0.13, size=0.068, style="box", box="#ffd166", colour="#1d1d1d", fade_s=0.2
        ),
        Caption("Crispy edges", 2.2, 3.6, 0.88, style="box", box="#111111", fade_s=0.2),
        Caption("Build it like this", 3.8, 6.2, 0.13, style="box", box="#ffffff", colour="#9b2226", fade_s=0.2),
        Caption("Link in bio", 6.8, 8.8, 0.13, style="box", box="#111111", fade_s=0.2),
    ],
    music="upbeat",
)

LEG_DAY = Film(
    name="leg-day.mp4",
    niche="fitness",
    size=_UPRIGHT,
    fps=Fraction(60),
    shots=[
        Shot(gym.workout, 1.6, {"move": "squat", "place": "#5b7c99", "pace": 1.1}, shake=3),
        Shot(gym.jacks, 1.5, {"place": "#f4a261", "pace": 1.3}, shake=3),
        Shot(gym.workout, 1.5, {"move": "lunge", "place": "#d68c45", "top": "#4361ee", "pace": 1.0}),
        Shot(gym.workout, 1.5, {"move": "push-up", "place": "#3f7d58", "top": "#ffb703", "pace": 1.2}, zoom=0.03),
        Shot(gym.workout, 1.7, {"move": "curl", "place": "#8e5572", "top": "#06d6a0", "pace": 1.1}),
        Shot(gym.jacks, 1.7, {"place": "#48cae4", "pace": 1.5}, zoom=0.05),
    ],
    captions=[
        Caption("LEG DAY", 0.1, 1.3, 0.15, size=0.15, colour="#fff04d"),
        Caption("30 jumping jacks", 1.6, 3.0, 0.5, style="box", box="#4361ee"),
        Caption("20 lunges", 3.1, 4.5, 0.5, style="box", box="#4361ee"),
        Caption("15 push-ups", 4.6, 6.0, 0.5, style="box", box="#4361ee"),
        Caption("12 curls", 6.1, 7.7, 0.5, style="box", box="#4361ee"),
        Caption("Save this workout", 7.9, 9.5, 0.15, size=0.085),
    ],
    music="upbeat",
    crf=30,
)

MORNING_STRETCH = Film(
    name="morning-stretch.mp4",
    niche="fitness",
    size=_UPRIGHT,
    fps=Fraction(30),
    shots=[
        Shot(
            gym.workout,
            12.0,
            {"move": "reach", "place": "#a2d2ff", "top": "#9d4edd", "pace": 0.25, "outdoors": True},
            zoom=0.004,
        )
    ],
    captions=[
        Caption("Stiff back? Try this", 0.3, 2.8, 0.13, size=0.08),
        Caption("Reach up", 3.2, 5.4, 0.86, size=0.09),
        Caption("Fold down slowly", 5.9, 8.6, 0.86, size=0.09),
        Caption("Ten times a day", 9.0, 12.0, 0.86, size=0.09, colour="#b9fbc0"),
    ],
    lines=[
        Line("Is your back stiff in the morning? Try this.", 0.4, "en-gb", 160, 45),
        Line("Reach up to the sky.", 3.7, "en-gb", 150, 45),
        Line("Then fold down slowly and breathe out.", 6.0, "en-gb", 150, 45),
        Line("Do it ten times every day.", 9.3, "en-gb", 150, 45),
    ],
)

PHONE_REVIEW = Film(
    name="phone-review.mp4",
    niche="tech",
    size=(1280, 720),
    fps=Fraction(24000, 1001),
    shots=[
        Shot(desk.phone, 3.0, {"wall": "#3a0ca3"}, zoom=0.03, shake=1),
        Shot(desk.board, 2.6, {"mask": "#0b6e4f"}, via="dissolve", via_s=0.8, zoom=0.05, shake=1),
        Shot(desk.chart, 2.0, shake=0.5),
        Shot(desk.phone, 2.6, {"wall": "#ff6b35", "shell": "#e9ecef"}, zoom=0.03, shake=1),
    ],
    captions=[
        Caption("Worth the upgrade?", 0.4, 2.5, 0.12, size=0.09),
        Caption("New 3 nm chip", 3.5, 5.4, 0.86, style="box", box="#023e8a", size=0.075),
        Caption("40% faster", 5.7, 7.5, 0.1, size=0.09, colour="#3a0ca3", style="box", box="#ffd60a"),
        Caption("Subscribe for part 2", 8.0, 10.2, 0.86, style="box", box="#d00000", size=0.075),
    ],
    lines=[
        Line("Is the new phone worth the upgrade?", 0.4, "en-us", 165, 35),
        Line("The chip is smaller, and forty percent faster.", 3.7, "en-us", 165, 35),
        Line("Subscribe for part two.", 8.1, "en-us", 160, 35),
    ],
    music="lofi",
    crf=30,
)

CODE_TIP = Film(
    name="code-tip.mp4",
    niche="tech",
    size=_UPRIGHT,
    fps=Fraction(30),
    shots=[
        Shot(desk.editor, 2.2, {"paper": "#1e1e2e", "pace": 5.0}, shake=0.5, zoom=0.03),
        Shot(desk.keyboard, 1.2, shake=1),
        Shot(desk.editor, 2.2, {"paper": "#12506b", "pace": 7.0}, shake=0.5),
        Shot(desk.headphones, 1.2, {"wall": "#ff6b35"}),
        Shot(desk.chart, 2.2, shake=0.5),
    ],
    captions=[
        Caption("Stop writing loops", 0.2, 2.2, 0.78, size=0.08),
        Caption("Use one line instead", 2.6, 5.2, 0.14, size=0.075, colour="#caffbf"),
        Caption("10x faster", 6.9, 9.0, 0.14, style="box", box="#3a0ca3", size=0.1),
    ],
    crf=28,
)

COAST_VLOG = Film(
    name="coast-vlog.mp4",
    niche="travel",
    size=_UPRIGHT,
    fps=Fraction(30),
    shots=[
        Shot(outdoors.beach, 3.6, zoom=0.01, shake=3),
        Shot(outdoors.train, 3.0, shake=2),
        Shot(outdoors.wing, 2.6, shake=2),
        Shot(outdoors.route, 2.8, shake=0.5, zoom=0.02),
    ],
    captions=[
        Caption("3 days in Liguria", 0.3, 3.0, 0.13, size=0.09),
        Caption("Take the train", 3.9, 6.2, 0.87, style="box", box="#0077b6"),
        Caption("Only 90 euros", 9.4, 12.0, 0.5, style="box", box="#ffffff", colour="#d00000", size=0.09),
    ],
    lines=[
        Line("Three days on the coast, for ninety euros.", 0.4, "en-gb-scotland", 160, 55),
        Line("Take the train, it is cheap and the view is free.", 4.2, "en-gb-scotland", 160, 55),
        Line("Save this for your next trip.", 9.6, "en-gb-scotland", 155, 55),
    ],
    turned=True,
    crf=30,
)

MOUNTAIN_FILM = Film(
    name="mountain-film.mp4",
    niche="travel",
    size=_WIDE,
    fps=Fraction(25),
    shots=[
        Shot(outdoors.mountains, 4.4, {"sky": "#8ecae6"}, shake=0.5),
        Shot(outdoors.balloons, 4.2, via="dissolve", via_s=1.0, shake=0.5, zoom=0.01),
        Shot(outdoors.mountains, 3.2, {"sky": "#e29578", "low": "#ffddd2"}, via="fade", via_s=1.2, shake=0.5),
        Shot(outdoors.wing, 2.8, shake=1),
    ],
    captions=[
        Caption("Where the road ends", 0.6, 3.4, 0.48, size=0.085, fade_s=0.2),
        Caption("5 am, above the valley", 5.2, 7.8, 0.87, size=0.075, fade_s=0.2),
        Caption("Go while you can", 9.6, 11.6, 0.87, size=0.075, fade_s=0.2),
        Caption("Full film: link in bio", 12.0, 14.6, 0.87, size=0.075, fade_s=0.2),
    ],
    music="wide",
)

NIGHT_CITY = Film(
    name="night-city.mp4",
    niche="travel",
    size=_UPRIGHT,
    fps=Fraction(30),
    shots=[
        Shot(outdoors.city, 0.7, {"sky": "#2b2d6e"}, zoom=0.1),
        Shot(outdoors.train, 0.6),
        Shot(outdoors.wing, 0.5, zoom=0.1),
        Shot(outdoors.city, 0.6, {"sky": "#7b2d5b"}, zoom=0.15),
        Shot(outdoors.route, 0.6, shake=0.5),
        Shot(outdoors.balloons, 0.5, zoom=0.1),
        Shot(outdoors.city, 0.6, {"sky": "#1b4965"}, zoom=0.1),
        Shot(outdoors.beach, 0.6),
        Shot(outdoors.mountains, 0.6, {"sky": "#e07a5f"}),
        Shot(outdoors.city, 0.8, {"sky": "#5f0f40"}, zoom=0.1),
    ],
    music="tense",
    crf=32,
)

ROOMMATES = Film(
    name="roommates.mp4",
    niche="comedy",
    size=_UPRIGHT,
    fps=Fraction(30),
    shots=[
        Shot(
            people.talker,
            3.0,
            {"who": people.ANN, "place": "#c9ada7", "side": -1.0, "brow": 1.0},
            speaks="en-us",
            shake=3,
        ),
        Shot(people.talker, 2.5, {"who": people.BEN, "place": "#84a59d", "side": 1.0}, speaks="en-gb", shake=3),
        Shot(
            people.talker,
            2.6,
            {"who": people.ANN, "place": "#c9ada7", "side": -1.0, "brow": 1.0},
            speaks="en-us",
            shake=3,
            zoom=0.1,
        ),
        Shot(
            people.talker,
            3.4,
            {"who": people.BEN, "place": "#84a59d", "side": 1.0, "brow": 1.0},
            speaks="en-gb",
            shake=3,
            zoom=0.05,
        ),
    ],
    captions=[
        Caption("Roommates be like", 0.1, 2.4, 0.1, size=0.076, style="box", box="#ffffff", colour="#111111"),
        Caption("Did you eat my cake?", 0.5, 2.8, 0.88, size=0.07),
        Caption("What cake?", 3.2, 5.2, 0.88, size=0.085, colour="#ffe14d"),
        Caption("It is on your face", 5.6, 7.9, 0.88, size=0.08),
        Caption("That was the dog", 8.4, 11.2, 0.88, size=0.08, colour="#ffe14d"),
    ],
    lines=[
        Line("Did you eat my birthday cake?", 0.5, "en-us", 165, 78),
        Line("What cake? I saw no cake.", 3.2, "en-gb", 160, 25),
        Line("It is all over your face!", 5.7, "en-us", 170, 82),
        Line("That was the dog.", 8.6, "en-gb", 140, 22),
    ],
    variable_rate=True,
    crf=29,
)

CAT_VS_CUP = Film(
    name="cat-vs-cup.mp4",
    niche="comedy",
    size=_UPRIGHT,
    fps=Fraction(30),
    shots=[Shot(people.cat, 7.0, {"wall": "#ffc8dd"}, shake=3, zoom=0.01)],
    captions=[
        Caption("POV: it is 3 am", 0.0, 3.0, 0.12, size=0.095),
        Caption("Me: do not do it", 3.3, 5.0, 0.12, size=0.085),
        Caption("Him: watch me", 5.2, 7.0, 0.84, size=0.095, colour="#ffe14d"),
    ],
    track=False,
)

PLANETS = Film(
    name="planet-facts.webm",
    niche="education",
    size=_WIDE,
    fps=Fraction(30),
    shots=[
        Shot(classroom.planets, 4.0, {"pace": 1.0}, shake=0.5),
        Shot(classroom.giant, 3.4, {"first": "#e0a96d", "second": "#8c5a3c"}, shake=0.5),
        Shot(classroom.volcano, 3.6, shake=1, zoom=0.02),
    ],
    captions=[
        Caption("3 facts about planets", 0.2, 2.8, 0.11, size=0.085),
        Caption("Saturn could float", 4.2, 7.0, 0.89, size=0.085),
        Caption("Mars has the tallest volcano", 7.6, 10.8, 0.1, size=0.07),
    ],
    lines=[
        Line("Here are three facts about the planets.", 0.4, "en-us", 150, 40),
        Line("Saturn is so light that it could float.", 4.3, "en-us", 150, 40),
        Line("And Mars has the tallest volcano of all.", 7.8, "en-us", 150, 40),
    ],
    crf=38,
)

PYTHAGORAS = Film(
    name="pythagoras.mp4",
    niche="education",
    size=(720, 1280),
    fps=Fraction(30),
    shots=[Shot(classroom.blackboard, 13.0, {"pace": 0.75}, shake=1, zoom=0.002)],
    captions=[
        Caption("Pythagoras, no formula", 0.2, 3.0, 0.13, size=0.07),
        Caption("Draw a right triangle", 3.4, 5.8, 0.84, size=0.07, colour="#ffd166"),
        Caption("One square per side", 6.2, 8.8, 0.84, size=0.075, colour="#ffd166"),
        Caption("Blue + yellow = red", 9.2, 13.0, 0.13, size=0.08, style="box", box="#1d3557"),
    ],
    lines=[
        Line("The theorem of Pythagoras, without a formula.", 0.4, "en-gb", 150, 60),
        Line("Draw a square over each side of the triangle.", 4.6, "en-gb", 150, 60),
        Line("The two small squares fill the big one. Follow for more maths.", 8.4, "en-gb", 160, 60),
    ],
    music="wide",
    crf=28,
)

FILMS = [
    GARLIC_PASTA,
    SMASH_BURGER,
    LEG_DAY,
    MORNING_STRETCH,
    PHONE_REVIEW,
    CODE_TIP,
    COAST_VLOG,
    MOUNTAIN_FILM,
    NIGHT_CITY,
    ROOMMATES,
    CAT_VS_CUP,
    PLANETS,
    PYTHAGORAS,
]
