"""Stands in for the package: the same names, keywords and shapes."""
import wave
from types import SimpleNamespace


class ASRModel:
    @classmethod
    def restore_from(cls, restore_path, override_config_path=None, map_location=None, strict=True):
        print("[NeMo I] restoring", restore_path)
        return cls()

    def eval(self):
        return self

    def transcribe(self, audio, batch_size=4, return_hypotheses=False, num_workers=0, channel_selector=None, augmentor=None, verbose=True, timestamps=None, override_config=None):
        assert timestamps and len(audio) == 1
        with wave.open(audio[0]) as file:
            seconds = file.getnframes() / file.getframerate()
        half = seconds / 2
        timestamp = {
            "word": [
                {"word": "first", "start": 0.0, "end": half / 2},
                {"word": "words.", "start": half / 2, "end": half},
                {"word": "Last.", "start": half, "end": seconds},
            ],
            "segment": [
                {"segment": "first words.", "start": 0.0, "end": half},
                {"segment": "Last.", "start": half, "end": seconds},
            ],
            "char": [],
        }
        return [SimpleNamespace(text="first words. Last.", timestamp=timestamp)]
