"""faster-whisper as an engine: `dalston agent --engines engines/process/adapters/faster-whisper.yaml`.

A model folder is a CTranslate2 export (model.bin, config.json, tokenizer.json, vocabulary.*).
"""
from faster_whisper import WhisperModel

from dalston_engine import EngineError, serve


class FasterWhisper:
    name, stages = "faster-whisper", ["transcribe"]

    def load(self, model):
        device = "cuda" if model.device == "cuda" else "cpu"
        return WhisperModel(model.folder, device=device, cpu_threads=model.threads, local_files_only=True)

    def run(self, task, model):
        asked = task.parameters
        if not task.regions:
            return {"language": asked["language"]}
        segments, info = model.transcribe(
            task.wav(task.audio["start"], task.audio["end"]),
            language=_language(asked["language"], model),
            task=asked["task"],
            initial_prompt=asked["prompt"],
            hotwords=", ".join(asked["vocabulary"]) or None,
            word_timestamps=asked["granularity"] == "word",
            clip_timestamps=[edge for clip in _clips(task.regions) for edge in clip],
            **({} if asked["temperature"] is None else {"temperature": asked["temperature"]}),
        )
        for segment in segments:  # the work is done here, a segment at a time
            task.check()
            words = [(w.word.strip(), w.start, w.end, _probability(w.probability)) for w in segment.words or ()]
            mean = sum(w[3] for w in words) / len(words) if words else None
            decoding = {
                "temperature": segment.temperature or 0,
                "avg_logprob": segment.avg_logprob,
                "compression_ratio": segment.compression_ratio,
                "no_speech_prob": _probability(segment.no_speech_prob),
            }
            task.segment(segment.start, segment.end, segment.text.strip(), words, mean and round(mean, 3), decoding=decoding)
            task.progress(segment.end)
        task.check()
        return {"language": info.language, "language_source": "requested" if asked["language"] else "detected"}


def _language(asked, model):
    if asked is None:
        return None
    language = asked.split("-")[0]
    if language in model.supported_languages:
        return language
    raise EngineError("unsupported_language", f"This model does not speak {asked}. Choose another model or leave the language out.")


def _clips(regions):
    """Regions with less than a second between them are one clip: each clip costs a window of 30 s."""
    clips = []
    for start, end in regions:
        if clips and start - clips[-1][1] < 1:
            clips[-1][1] = end
        else:
            clips.append([start, end])
    return clips


def _probability(value):
    return round(min(1.0, max(0.0, float(value))), 3)


serve(FasterWhisper())
