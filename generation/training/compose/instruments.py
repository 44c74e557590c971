"""The instruments: how each is played, where it sounds well, and what people call it.

`program` is a General MIDI program (0..127); a drum kit has `kit` set instead; instruments with
`synth` set are made by `generation.training.synthesis` in numpy. Range is in MIDI pitches.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """One instrument or kit. `words[0]` is its plain name, the others are synonyms."""

    words: tuple[str, ...]
    program: int | None = None
    kit: int | None = None
    synth: str | None = None
    low: int = 48
    high: int = 84
    sustains: bool = False
    family: str = ""


def _gm(
    program: int, low: int, high: int, family: str, *words: str, sustains: bool = False
) -> Instrument:
    return Instrument(words, program=program, low=low, high=high, family=family, sustains=sustains)


def _synth(
    voice: str, low: int, high: int, family: str, *words: str, sustains: bool = False
) -> Instrument:
    return Instrument(words, synth=voice, low=low, high=high, family=family, sustains=sustains)


INSTRUMENTS: dict[str, Instrument] = {
    "piano": _gm(0, 36, 90, "keys", "piano", "grand piano", "acoustic piano"),
    "bright piano": _gm(1, 40, 90, "keys", "bright piano", "pop piano"),
    "honky-tonk piano": _gm(3, 40, 88, "keys", "honky tonk piano", "saloon piano", "old piano"),
    "electric piano": _gm(4, 40, 84, "keys", "electric piano", "rhodes", "ep"),
    "fm piano": _gm(5, 40, 84, "keys", "dx7 piano", "fm electric piano", "80s keys"),
    "harpsichord": _gm(6, 40, 84, "keys", "harpsichord", "cembalo"),
    "clavinet": _gm(7, 40, 80, "keys", "clavinet", "clav", "funky keys"),
    "celesta": _gm(8, 60, 96, "bells", "celesta", "celeste"),
    "glockenspiel": _gm(9, 72, 100, "bells", "glockenspiel", "glock"),
    "music box": _gm(10, 60, 96, "bells", "music box", "wind-up music box"),
    "vibraphone": _gm(11, 53, 89, "bells", "vibraphone", "vibes"),
    "marimba": _gm(12, 45, 84, "bells", "marimba"),
    "xylophone": _gm(13, 60, 96, "bells", "xylophone"),
    "tubular bells": _gm(14, 55, 79, "bells", "church bells", "tubular bells", "bells"),
    "dulcimer": _gm(15, 50, 84, "strings", "dulcimer", "hammered dulcimer"),
    "hammond organ": _gm(16, 36, 84, "organ", "hammond organ", "b3 organ", "organ", sustains=True),
    "rock organ": _gm(18, 36, 84, "organ", "rock organ", "distorted organ", sustains=True),
    "church organ": _gm(19, 36, 84, "organ", "church organ", "pipe organ", sustains=True),
    "accordion": _gm(21, 48, 84, "reeds", "accordion", "squeezebox", sustains=True),
    "harmonica": _gm(22, 60, 90, "reeds", "harmonica", "blues harp", sustains=True),
    "bandoneon": _gm(23, 48, 84, "reeds", "bandoneon", "tango accordion", sustains=True),
    "nylon guitar": _gm(24, 40, 80, "guitar", "nylon guitar", "classical guitar", "spanish guitar"),
    "acoustic guitar": _gm(25, 40, 80, "guitar", "acoustic guitar", "steel string guitar"),
    "jazz guitar": _gm(26, 40, 80, "guitar", "jazz guitar", "hollow body guitar"),
    "clean guitar": _gm(27, 40, 84, "guitar", "electric guitar", "clean electric guitar"),
    "muted guitar": _gm(28, 40, 76, "guitar", "muted guitar", "palm muted guitar"),
    "overdriven guitar": _gm(29, 40, 88, "guitar", "overdriven guitar", "crunchy guitar"),
    "distortion guitar": _gm(
        30, 40, 90, "guitar", "distorted guitar", "guitar with distortion", "heavy guitar"
    ),
    "acoustic bass": _gm(32, 28, 55, "bass", "upright bass", "double bass", "walking bass"),
    "finger bass": _gm(33, 28, 55, "bass", "bass guitar", "electric bass", "bass"),
    "pick bass": _gm(34, 28, 55, "bass", "picked bass", "rock bass"),
    "fretless bass": _gm(35, 28, 58, "bass", "fretless bass"),
    "slap bass": _gm(36, 28, 60, "bass", "slap bass", "funky bass"),
    "synth bass": _gm(38, 24, 55, "bass", "synth bass", "bass synth"),
    "violin": _gm(40, 55, 96, "strings", "violin", "solo violin", "fiddle", sustains=True),
    "viola": _gm(41, 48, 84, "strings", "viola", sustains=True),
    "cello": _gm(42, 36, 72, "strings", "cello", "violoncello", sustains=True),
    "contrabass": _gm(43, 28, 55, "strings", "contrabass", "bowed bass", sustains=True),
    "tremolo strings": _gm(44, 40, 84, "strings", "tremolo strings", sustains=True),
    "pizzicato": _gm(45, 40, 84, "strings", "pizzicato strings", "plucked strings"),
    "harp": _gm(46, 36, 96, "strings", "harp", "concert harp"),
    "timpani": _gm(47, 36, 57, "percussion", "timpani", "kettle drums"),
    "strings": _gm(
        48, 36, 91, "strings", "strings", "string section", "string orchestra", sustains=True
    ),
    "slow strings": _gm(49, 36, 91, "strings", "slow strings", "lush strings", sustains=True),
    "synth strings": _gm(50, 36, 91, "synth", "synth strings", "string machine", sustains=True),
    "choir": _gm(52, 45, 81, "voice", "choir", "choir aahs", "voices", sustains=True),
    "voice oohs": _gm(53, 48, 79, "voice", "oohs", "humming voices", "vocals", sustains=True),
    "trumpet": _gm(56, 55, 84, "brass", "trumpet", sustains=True),
    "trombone": _gm(57, 40, 72, "brass", "trombone", sustains=True),
    "tuba": _gm(58, 28, 55, "brass", "tuba", sustains=True),
    "muted trumpet": _gm(59, 55, 84, "brass", "muted trumpet", "harmon mute", sustains=True),
    "french horn": _gm(60, 41, 74, "brass", "french horn", "horn", sustains=True),
    "brass section": _gm(61, 43, 84, "brass", "brass section", "horn section", sustains=True),
    "soprano sax": _gm(64, 56, 87, "reeds", "soprano sax", sustains=True),
    "alto sax": _gm(65, 50, 82, "reeds", "saxophone", "alto sax", "sax", sustains=True),
    "tenor sax": _gm(66, 44, 76, "reeds", "tenor sax", "tenor saxophone", sustains=True),
    "baritone sax": _gm(67, 36, 68, "reeds", "baritone sax", sustains=True),
    "oboe": _gm(68, 58, 88, "reeds", "oboe", sustains=True),
    "bassoon": _gm(70, 34, 68, "reeds", "bassoon", sustains=True),
    "clarinet": _gm(71, 50, 88, "reeds", "clarinet", sustains=True),
    "piccolo": _gm(72, 74, 100, "pipes", "piccolo", sustains=True),
    "flute": _gm(73, 60, 94, "pipes", "flute", "concert flute", sustains=True),
    "recorder": _gm(74, 60, 90, "pipes", "recorder", "wooden flute", sustains=True),
    "pan flute": _gm(75, 60, 90, "pipes", "pan flute", "pan pipes", sustains=True),
    "shakuhachi": _gm(77, 55, 84, "pipes", "shakuhachi", "bamboo flute", sustains=True),
    "whistle": _gm(78, 67, 96, "pipes", "whistle", "whistling", sustains=True),
    "ocarina": _gm(79, 60, 90, "pipes", "ocarina", sustains=True),
    "warm pad": _gm(89, 40, 84, "synth", "warm pad", "synth pad", "pad", sustains=True),
    "new age pad": _gm(88, 40, 84, "synth", "new age pad", "dreamy pad", sustains=True),
    "halo pad": _gm(94, 40, 84, "synth", "halo pad", "ethereal pad", sustains=True),
    "sweep pad": _gm(95, 40, 84, "synth", "sweep pad", "evolving pad", sustains=True),
    "sitar": _gm(104, 45, 82, "world", "sitar"),
    "banjo": _gm(105, 50, 84, "world", "banjo"),
    "shamisen": _gm(106, 50, 84, "world", "shamisen"),
    "rap voice": Instrument(
        ("rap vocals", "rapper", "rapping"), synth="speech", low=40, high=76, family="voice"
    ),
    "koto": _gm(107, 50, 88, "world", "koto"),
    "kalimba": _gm(108, 55, 88, "world", "kalimba", "thumb piano", "mbira"),
    "bagpipe": _gm(109, 55, 79, "world", "bagpipes", "bagpipe", sustains=True),
    "fiddle": _gm(110, 55, 91, "strings", "fiddle", "folk fiddle", sustains=True),
    "steel drums": _gm(114, 55, 86, "world", "steel drums", "steelpan"),
    "taiko": _gm(116, 36, 60, "percussion", "taiko drums", "taiko", "big drums"),
    "woodblock": _gm(115, 60, 84, "percussion", "woodblock"),
    "square lead": _synth("square", 48, 91, "synth", "square lead", "8-bit lead", sustains=True),
    "pulse lead": _synth("pulse", 48, 91, "synth", "pulse lead", "chip lead", sustains=True),
    "saw lead": _synth("saw", 48, 88, "synth", "saw lead", "synth lead", "synth", sustains=True),
    "supersaw": _synth("supersaw", 45, 88, "synth", "supersaw", "big synth chords", sustains=True),
    "pluck": _synth("pluck", 48, 91, "synth", "synth pluck", "plucky synth"),
    "acid bass": _synth("acid", 28, 60, "synth", "acid bass", "303", "acid synth"),
    "reese bass": _synth("reese", 24, 50, "bass", "reese bass", "growling bass", sustains=True),
    "sub bass": _synth("sub", 24, 50, "bass", "sub bass", "deep bass", sustains=True),
    "808 bass": _synth("808", 24, 50, "bass", "808 bass", "808s", "booming 808"),
    "chip triangle": _synth("triangle", 28, 64, "bass", "triangle bass", "chip bass"),
    "fm bell": _synth("fm bell", 55, 96, "bells", "fm bell", "glassy bells", "digital bells"),
    "gong chime": _synth("metal", 48, 86, "bells", "gamelan gongs", "metallophone", "gamelan"),
    "church bell": _synth("church bell", 48, 74, "bells", "church bell", "big bell"),
    "drone": _synth("drone", 28, 60, "synth", "drone", "dark drone", sustains=True),
    "tanpura": _synth("tanpura", 40, 64, "world", "tanpura", "tanpura drone", sustains=True),
    "sine lead": _synth("sine", 55, 91, "synth", "theremin", "sine lead", sustains=True),
    "standard kit": Instrument(("drums", "drum kit", "live drums"), kit=0, family="drums"),
    "room kit": Instrument(("drums", "room drums", "drum kit"), kit=8, family="drums"),
    "power kit": Instrument(("rock drums", "big drums", "drums"), kit=16, family="drums"),
    "electronic kit": Instrument(("electronic drums", "drum machine"), kit=24, family="drums"),
    "808 kit": Instrument(("808 drums", "drum machine", "tr-808"), kit=25, family="drums"),
    "jazz kit": Instrument(("jazz drums", "drums"), kit=32, family="drums"),
    "brush kit": Instrument(("brushes", "brushed drums"), kit=40, family="drums"),
    "orchestra kit": Instrument(
        ("orchestral percussion", "marching drums"), kit=48, family="drums"
    ),
    "percussion": Instrument(("percussion", "hand percussion"), kit=0, family="drums"),
    "tabla": Instrument(("tabla",), synth="kit:tabla", family="drums"),
    "synth kit": Instrument(
        ("drum machine", "synth drums", "beat"), synth="kit:analog", family="drums"
    ),
    "chip kit": Instrument(("8-bit drums", "noise drums"), synth="kit:chip", family="drums"),
}
