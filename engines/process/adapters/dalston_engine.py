"""The wire of a process engine, for Python programs. Standard library only; ../README.md tells the wire.

    class Mine:
        name, stages = "mine 1.0", ["transcribe"]
        def load(self, model): ...            # model.folder, model.device, model.threads -> anything
        def run(self, task, loaded): ...      # task.check(), task.segment(...), task.progress(...) -> summary
    serve(Mine())

Tasks run on the main thread, one after the other. Another thread reads stdin, so that a cancel is heard while a task runs.
"""
import gc
import json
import os
import queue
import sys
import threading
import wave
from types import SimpleNamespace

RATE = 16_000


class EngineError(Exception):
    """A failure that the engine understands: `code` is for programs, the message for people."""

    def __init__(self, code, message, retryable=False):
        super().__init__(message)
        self.code, self.retryable = code, retryable


class Task:
    """One transcription: what it reads, and where its words go."""

    def __init__(self, wire, message):
        self._wire, self._id = wire, message["id"]
        self.parameters = message["parameters"]
        self.batch_scale = message["batch_scale"]
        self.folder = message["output_folder"]
        self.audio = message["inputs"]["audio"]
        self.regions = _regions(message["inputs"]["speech_regions"])
        self.cancelled = threading.Event()
        self._count = 0
        self._file = open(os.path.join(self.folder, "transcript.jsonl"), "w", encoding="utf-8")

    def check(self):
        """Call between pieces of work: ends the task when it was cancelled."""
        if self.cancelled.is_set():
            raise EngineError("aborted", "The task was cancelled.", retryable=True)

    def progress(self, seconds, message=None):
        """How far in the recording it is."""
        length = self.audio["end"] - self.audio["start"]
        part = (seconds - self.audio["start"]) / length if length > 0 else 1
        self._tell(type="progress", percent=round(100 * min(1, max(0, part)), 1), message=message)

    def warn(self, code, message):
        self._tell(type="warning", code=code, message=message)

    def segment(self, start, end, text, words=(), confidence=None, **more):
        """Writes a segment, in time order; `words` are (text, start, end, confidence)."""
        timed = [dict(zip(("text", "start", "end", "confidence"), (w[0], *_times(w[1], w[2]), w[3]))) for w in words]
        start, end = _times(start, end)
        segment = dict(id=self._count, start=start, end=end, text=text, confidence=confidence, speaker=None, words=timed, **more)
        self._count += 1
        self._file.write(json.dumps(segment, ensure_ascii=False) + "\n")
        self._tell(type="partial", start=start, end=end, text=text)

    def wav(self, start, end):
        """A stretch of the recording as a WAV file in the task's own folder, which goes with the task."""
        path = os.path.join(self.folder, "stretch.wav")
        with open(self.audio["path"], "rb") as samples, wave.open(path, "wb") as out:
            out.setnchannels(1), out.setsampwidth(2), out.setframerate(RATE)
            samples.seek(round(start * RATE) * 2)
            left = (round(end * RATE) - round(start * RATE)) * 2
            while left > 0 and (block := samples.read(min(left, 1 << 20))):
                out.writeframesraw(block)
                left -= len(block)
        return path

    def _tell(self, **message):
        self._wire.tell(id=self._id, **message)

    def _close(self):
        self._file.close()


def serve(engine):
    """Speaks the wire until its end. What libraries print goes to stderr."""
    wire = _Wire()
    wire.tell(type="hello", version=1, name=engine.name, stages=engine.stages)
    threading.Thread(target=wire.listen, daemon=True).start()
    models = {}
    while (message := wire.requests.get())["type"] != "shutdown":
        kind = message["type"]
        try:
            if kind == "load":
                models[message["model"]] = engine.load(SimpleNamespace(**message))
                wire.tell(type="loaded", id=message["id"])
            elif kind == "unload":
                models.pop(message["model"], None)
                _release()
                wire.tell(type="unloaded", id=message["id"])
            elif kind == "run":
                wire.tell(type="result", id=message["id"], summary=_run(wire, engine, message, models))
        except Exception as error:  # whatever a library throws is an answer, never the end of the program
            wire.tell(type="error", id=message["id"], **_fault(error))
            _release()


def _run(wire, engine, message, models):
    task = Task(wire, message)
    wire.begin(message["id"], task)
    try:
        return engine.run(task, models.get(message["model"])) or {}
    finally:
        wire.end(message["id"])
        task._close()


class _Wire:
    def __init__(self):
        # Ours alone: from here on, what anything prints on stdout is on stderr.
        self._out = os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._running, self._cancelled = {}, set()
        self.requests = queue.Queue()

    def tell(self, **message):
        with self._lock:
            self._out.write(json.dumps(message) + "\n")
            self._out.flush()

    def listen(self):
        for line in sys.stdin.buffer:  # UTF-8, whatever the locale is
            message = json.loads(line)
            if message["type"] != "cancel":
                self.requests.put(message)
                continue
            with self._lock:
                self._cancelled.add(message["id"])
                if message["id"] in self._running:
                    self._running[message["id"]].cancelled.set()
        os._exit(0)  # the agent is gone, and nobody wants what the main thread may still be at

    def begin(self, id, task):
        with self._lock:
            self._running[id] = task
            if id in self._cancelled:
                task.cancelled.set()

    def end(self, id):
        with self._lock:
            del self._running[id]
            self._cancelled.discard(id)


def _regions(path):
    with open(path, encoding="utf-8") as lines:
        return [(region["start"], region["end"]) for region in map(json.loads, lines)]


def _times(start, end):
    start = round(max(0.0, float(start)), 3)
    return start, max(start, round(float(end), 3))


def _fault(error):
    if isinstance(error, EngineError):
        return dict(code=error.code, message=str(error) or error.code, retryable=error.retryable)
    text = f"{type(error).__name__}: {error}"
    memory = isinstance(error, MemoryError) or "OutOfMemory" in text or "out of memory" in text
    return dict(code="out_of_memory" if memory else "engine_error", message=text[:2000], retryable=True)


def _release():
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
