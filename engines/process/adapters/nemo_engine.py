"""NeMo's Parakeet models as an engine: `dalston agent --engines engines/process/adapters/nemo.yaml`.

A model folder holds one .nemo file.
"""
import glob
import os

from nemo.collections.asr.models import ASRModel

from dalston_engine import EngineError, serve

STRETCH_SECONDS = 120  # what is computed at once: between stretches it reports, and hears a cancel


class Nemo:
    name, stages = "nemo", ["transcribe"]

    def load(self, model):
        found = glob.glob(os.path.join(model.folder, "*.nemo"))
        if len(found) != 1:
            raise EngineError("invalid_model", f"The model folder: expected one .nemo file, found {len(found)}.")
        return ASRModel.restore_from(found[0], map_location="cuda" if model.device == "cuda" else "cpu").eval()

    def run(self, task, model):
        asked = task.parameters
        if asked["task"] != "transcribe":
            raise EngineError("unsupported_task", "This engine does not translate. Choose a model that does.")
        for field in ("prompt", "vocabulary"):
            if asked[field]:
                task.warn(f"{field}_unused", f"This engine has no use for a {field}: it was left out.")
        for start, end in _stretches(task.regions, STRETCH_SECONDS * task.batch_scale):
            task.check()
            answer = model.transcribe([task.wav(start, end)], batch_size=1, timestamps=True, verbose=False)
            hypothesis = (answer[0] if isinstance(answer, tuple) else answer)[0]
            for sentence, words in _sentences(hypothesis):
                timed = [(w["word"], w["start"] + start, w["end"] + start, None) for w in words]
                shown = timed if asked["granularity"] == "word" else ()
                task.segment(sentence["start"] + start, sentence["end"] + start, sentence["segment"], shown)
            task.progress(end)
        task.check()
        return {"language": asked["language"]}


def _sentences(hypothesis):
    """(segment, its words): each word belongs to the last segment that has begun."""
    sentences = hypothesis.timestamp["segment"]
    for index, sentence in enumerate(sentences):
        behind = sentences[index + 1]["start"] if index + 1 < len(sentences) else float("inf")
        first = sentence["start"] if index else float("-inf")
        yield sentence, [word for word in hypothesis.timestamp["word"] if first <= word["start"] < behind]


def _stretches(regions, most_seconds):
    """Regions put together up to a length; a longer one is cut."""
    stretches = []
    for start, end in regions:
        if stretches and end - stretches[-1][0] <= most_seconds:
            stretches[-1] = (stretches[-1][0], end)
            continue
        while end - start > most_seconds:
            stretches.append((start, start + most_seconds))
            start += most_seconds
        stretches.append((start, end))
    return stretches


serve(Nemo())
