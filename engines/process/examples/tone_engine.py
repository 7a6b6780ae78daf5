"""An engine in plain Python: writes a segment for every loud stretch of the recording, with the tone's pitch as its text.

It shows the wire and nothing else: JSON objects, one a line, on stdin and stdout; audio and results in files. See ../README.md.
"""
import array
import json
import os
import sys
import threading

RATE = 16_000
WINDOW = RATE // 50  # 20 ms
LOUD = 0.02
cancelled = set()


def tell(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def windows(id, audio):
    """(start in seconds, loudness, rising zero crossings) of each 20 ms, unless it is cancelled."""
    first, last = int(audio["start"] * RATE), int(audio["end"] * RATE)
    with open(audio["path"], "rb") as file:
        file.seek(first * 2)
        for at in range(first, last - WINDOW + 1, WINDOW):
            if id in cancelled:
                raise InterruptedError("cancelled")
            part = array.array("h", file.read(WINDOW * 2))
            rising = sum(1 for a, b in zip(part, part[1:]) if a < 0 <= b)
            yield at / RATE, (sum(s * s for s in part) / len(part)) ** 0.5 / 32768, rising


def stretches(id, audio):
    """(start, end, hertz) of what is loud without a gap."""
    start, crossings, end = None, 0, audio["start"]
    for at, loudness, rising in windows(id, audio):
        if loudness >= LOUD:
            start = at if start is None else start
            crossings, end = crossings + rising, at + WINDOW / RATE
        elif start is not None:
            yield start, end, round(crossings / (end - start))
            start, crossings = None, 0
    if start is not None:
        yield start, end, round(crossings / (end - start))


def run(id, inputs, output_folder, **_):
    audio = inputs["audio"]
    seconds = audio["end"] - audio["start"]
    with open(os.path.join(output_folder, "transcript.jsonl"), "w") as file:
        for index, (start, end, hertz) in enumerate(stretches(id, audio)):
            word = {"text": str(hertz), "start": round(start, 3), "end": round(end, 3), "confidence": None}
            file.write(json.dumps({"id": index, **word, "speaker": None, "words": [word]}) + "\n")
            tell(type="partial", id=id, start=start, end=end, text=str(hertz))
            tell(type="progress", id=id, percent=100 * (end - audio["start"]) / seconds)
    tell(type="result", id=id)


def answer(id, **message):
    """Every request gets one: nobody would know that a thread ended."""
    try:
        run(id, **message)
    except Exception as error:
        tell(type="error", id=id, code="engine_error", message=repr(error)[:500], retryable=True)


tell(type="hello", version=1, name="tone example 1.0", stages=["transcribe"])
for line in sys.stdin:  # its end, or `shutdown`, is the time to go
    message = json.loads(line)
    if message.pop("type") == "cancel":
        cancelled.add(message["id"])
    elif "stage" in message:
        threading.Thread(target=answer, kwargs=message, daemon=True).start()
