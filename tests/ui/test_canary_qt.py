"""PySide6 6.12.0 aborts on Python below 3.12 after some hundred emitted signals; whoever raises the pin hears of it here."""

import subprocess
import sys

EMIT = """
from PySide6.QtCore import QCoreApplication, QThread, Signal

class Emitter(QThread):
    counted = Signal(int, bool, object)
    def run(self):
        for number in range(20_000):
            self.counted.emit(number, number % 2 == 0, None)

app = QCoreApplication([])
received = []
emitter = Emitter()
emitter.counted.connect(lambda number, even, nothing: received.append(even))
emitter.finished.connect(app.quit)
emitter.start()
app.exec()
emitter.wait()
print(len(received))
"""


def test_twenty_thousand_signals_from_a_thread_do_no_harm():
    child = subprocess.run([sys.executable, "-c", EMIT], capture_output=True, text=True, timeout=100)
    assert (child.returncode, child.stdout.strip(), child.stderr) == (0, "20000", "")
