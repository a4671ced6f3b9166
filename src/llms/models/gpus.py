"""GPUs by name: how much memory they have, and how fast it is read. Figures of the makers' data sheets."""

from dataclasses import dataclass

from ..errors import UnknownName

GIB, GB = 1 << 30, 10**9


@dataclass(frozen=True, slots=True)
class GpuCard:
    """`memory` in bytes (what the data sheet calls GB counts 2^30 of them), `bandwidth` in bytes per second."""

    name: str
    memory: int
    bandwidth: int


GPUS = {
    name: GpuCard(name, gigabytes * GIB, bandwidth * GB)
    for name, gigabytes, bandwidth in (
        ("T4", 16, 320),
        ("P100", 16, 732),
        ("V100 16GB", 16, 900),
        ("V100 32GB", 32, 900),
        ("A10", 24, 600),
        ("A16", 16, 200),
        ("A30", 24, 933),
        ("A40", 48, 696),
        ("A100 40GB", 40, 1555),
        ("A100 80GB", 80, 2039),
        ("L4", 24, 300),
        ("L40", 48, 864),
        ("L40S", 48, 864),
        ("H100 PCIe", 80, 2039),
        ("H100 SXM", 80, 3350),
        ("H100 NVL", 94, 3938),
        ("H200", 141, 4800),
        ("B200", 180, 7700),
        ("RTX A4000", 16, 448),
        ("RTX A5000", 24, 768),
        ("RTX A6000", 48, 768),
        ("RTX 4000 Ada", 20, 360),
        ("RTX 5000 Ada", 32, 576),
        ("RTX 6000 Ada", 48, 960),
        ("GTX 1080 Ti", 11, 484),
        ("RTX 2060", 6, 336),
        ("RTX 2080 Ti", 11, 616),
        ("RTX 3050", 8, 224),
        ("RTX 3060", 12, 360),
        ("RTX 3060 Ti", 8, 448),
        ("RTX 3070", 8, 448),
        ("RTX 3080", 10, 760),
        ("RTX 3090", 24, 936),
        ("RTX 3090 Ti", 24, 1008),
        ("RTX 4060", 8, 272),
        ("RTX 4060 Ti 16GB", 16, 288),
        ("RTX 4070", 12, 504),
        ("RTX 4070 Ti Super", 16, 672),
        ("RTX 4080", 16, 717),
        ("RTX 4080 Super", 16, 736),
        ("RTX 4090", 24, 1008),
        ("RTX 5070", 12, 672),
        ("RTX 5070 Ti", 16, 896),
        ("RTX 5080", 16, 960),
        ("RTX 5090", 32, 1792),
        ("RX 7900 XTX", 24, 960),
        ("MI210", 64, 1638),
        ("MI250X", 128, 3277),
        ("MI300X", 192, 5300),
    )
}
# Dense 16-bit matrix products a second (bfloat16, or float16 on cards without it; sums in float32), in 10^12, from the makers'
# data sheets: NVIDIA T4, V100 (SXM2), A10, A30, A40, A100, L4, L40, L40S, H100, H100 NVL, H200, B200 (HGX), RTX A6000; its
# whitepapers of GA102 and AD102 for the RTX 3090 and 4090; AMD MI210, MI250X, MI300X. Sheets that count sparse products: halved.
PEAKS = {
    "T4": 65, "V100 16GB": 125, "V100 32GB": 125, "A10": 125, "A30": 165, "A40": 149.7, "A100 40GB": 312, "A100 80GB": 312,
    "L4": 121, "L40": 181, "L40S": 362, "H100 PCIe": 756, "H100 SXM": 989, "H100 NVL": 835, "H200": 989, "B200": 2250,
    "RTX A6000": 154.8, "RTX 3090": 71, "RTX 4090": 165.2, "MI210": 181, "MI250X": 383, "MI300X": 1307,
}  # fmt: skip
FAMILIES = {
    "h100": "H100 SXM",
    "a100": "A100 80GB",
    "v100": "V100 32GB",
}  # what is usually meant where speed is asked for
WORDS = ("nvidia", "geforce", "amd", "radeon", "instinct", "tesla", "quadro")  # makers and families that name no card


def gpu_named(text: str) -> GpuCard:
    """The GPU that `text` names, with or without its maker, in any case. Raises UnknownName with the nearest names."""
    names = {_plain(name): gpu for name, gpu in GPUS.items()}
    gpu = names.get(_plain(text))
    if gpu is None:
        longer = [candidate.name for key, candidate in names.items() if _plain(text) and key.startswith(_plain(text))]
        raise UnknownName("GPU", text, longer or list(GPUS))
    return gpu


def peak_of(text: str) -> tuple[GpuCard, float]:
    """The GPU that `text` names, or the usual one of the family, and its peak in 16-bit floating-point operations a second.

    Raises UnknownName, also for a card whose peak is not known here.
    """
    card = gpu_named(FAMILIES.get(_plain(text), text))
    if card.name not in PEAKS:
        raise UnknownName("peak of the GPU", card.name, PEAKS)
    return card, PEAKS[card.name] * 1e12


def _plain(name: str) -> str:
    words = [word for word in name.casefold().replace("-", " ").split() if word not in WORDS]
    return "".join(words)
