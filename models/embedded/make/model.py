"""The front end and the network, in one place for training and export.

Samples in, log probabilities of characters every 30 ms out. Nothing here looks at a whole recording: the features are
fixed functions of 25 ms of sound and the network has a bounded view, so a window with enough context gives what the
whole recording gives. Digital silence is exactly zero in feature space, so the zero padding of the convolutions and
of a batch is silence, and needs no mask.
"""

import math

import torch
from torch import nn

SAMPLE_RATE = 16_000
WINDOW = 400
HOP = 160
TRANSFORM = 512
MELS = 64
LOWEST_HZ, HIGHEST_HZ = 60.0, 7600.0

# 1 / LOUDNESS is where the logarithm flattens: noise at about -70 dB of full scale and below looks like silence.
LOUDNESS = 1e5
# Brings loud speech to about 4.
SCALE = 0.25

STRIDE = 3
STEM_KERNEL = 5
WIDTH = 240
EXPANSION = 2
KERNELS = [7, 7, 9, 9, 11, 11, 13, 13, 15]
TOKENS = ["<blank>", " ", "'"] + [chr(code) for code in range(ord("a"), ord("z") + 1)]

FRAME_SECONDS = HOP * STRIDE / SAMPLE_RATE
# The stem pads one mel frame on each side, so its first output is centred on the second mel frame.
FIRST_FRAME_CENTER_SECONDS = (WINDOW / 2 + HOP) / SAMPLE_RATE
# Half of the network's view to each side, rounded up to whole frames.
CONTEXT_SECONDS = round((sum(kernel // 2 for kernel in KERNELS) + 2) * FRAME_SECONDS, 2)


def mel_filters():
    """Triangular mel filters, [MELS, TRANSFORM / 2 + 1]."""
    to_mel = lambda hz: 2595 * math.log10(1 + hz / 700)
    edges = torch.linspace(to_mel(LOWEST_HZ), to_mel(HIGHEST_HZ), MELS + 2)
    edges = 700 * (10 ** (edges / 2595) - 1)
    bins = torch.linspace(0, SAMPLE_RATE / 2, TRANSFORM // 2 + 1)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rise, fall).clamp(min=0)


class MelEnergies(nn.Module):
    """[batch, samples] to mel energies [batch, MELS, frames]; the Fourier transform is a convolution with sines."""

    def __init__(self):
        super().__init__()
        filters = mel_filters()
        used = filters.sum(0).nonzero().flatten()
        filters = filters[:, used]
        time = torch.arange(WINDOW, dtype=torch.float64)
        angle = 2 * math.pi * used.double()[:, None] * time / TRANSFORM
        window = torch.hann_window(WINDOW, dtype=torch.float64)
        waves = torch.cat([angle.cos() * window, angle.sin() * window])[:, None]
        # Rounded to half precision here, so that training hears exactly what the exported half precision file hears.
        self.register_buffer("waves", waves.half().float(), persistent=False)
        self.register_buffer("filters", filters[:, :, None].half().float(), persistent=False)

    def forward(self, audio):
        waves = nn.functional.conv1d(audio[:, None], self.waves, stride=HOP)
        cosine, sine = waves.chunk(2, dim=1)
        return nn.functional.conv1d(cosine * cosine + sine * sine, self.filters)


def features_of(energies):
    """Mel energies to what the network sees: 0 for silence, about 4 for loud speech."""
    return torch.log(energies * LOUDNESS + 1) * SCALE


class Block(nn.Module):
    """A residual block: a depthwise convolution over time, then two pointwise ones."""

    def __init__(self, width, kernel, dropout):
        super().__init__()
        inner = width * EXPANSION
        self.time = over_time(width, width, kernel, padding=kernel // 2, groups=width)
        self.time_norm = nn.BatchNorm2d(width)
        self.widen = over_time(width, inner, 1)
        self.widen_norm = nn.BatchNorm2d(inner)
        self.narrow = over_time(inner, width, 1)
        self.narrow_norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        y = self.time_norm(self.time(x))
        y = torch.relu(self.widen_norm(self.widen(y)))
        return torch.relu(x + self.dropout(self.narrow_norm(self.narrow(y))))


def over_time(inputs, outputs, kernel, stride=1, padding=0, groups=1):
    """A convolution over time, in two dimensions of which one is 1: so it can run channels-last, a third faster."""
    return nn.Conv2d(inputs, outputs, (1, kernel), stride=(1, stride), padding=(0, padding), groups=groups, bias=False)


class Network(nn.Module):
    """Features [batch, MELS, frames] to log probabilities [batch, frames / 3, tokens]."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.stem = over_time(MELS, WIDTH, STEM_KERNEL, stride=STRIDE, padding=1)
        self.stem_norm = nn.BatchNorm2d(WIDTH)
        self.blocks = nn.ModuleList([Block(WIDTH, kernel, dropout) for kernel in KERNELS])
        # The second head, half way, only helps training to get going.
        self.middle_head = nn.Conv2d(WIDTH, len(TOKENS), 1)
        self.head = nn.Conv2d(WIDTH, len(TOKENS), 1)

    def forward(self, features):
        return self.heads(features)[0]

    def heads(self, features):
        """Log probabilities of the last head and of the middle one."""
        x = torch.relu(self.stem_norm(self.stem(features[:, :, None])))
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == len(self.blocks) // 2:
                middle = x
        log_probs = lambda y: torch.log_softmax(y.squeeze(2).transpose(1, 2), dim=2)
        return log_probs(self.head(x)), log_probs(self.middle_head(middle))


class Recognizer(nn.Module):
    """What is exported: audio [batch, samples] to log_probs [batch, frames, tokens]."""

    def __init__(self, network):
        super().__init__()
        self.energies = MelEnergies()
        self.network = network

    def forward(self, audio):
        return self.network(features_of(self.energies(audio)))


def frames_out(mel_frames):
    """How many outputs the network gives for so many mel frames."""
    return (mel_frames + 2 - STEM_KERNEL) // STRIDE + 1
