"""Labels of one line: what of their words is shown where there is too little room."""

from diffusion_studio.ui.look.labels import Line


def test_a_line_loses_whole_words_between_dots_before_it_is_cut(qtbot):
    line = Line()
    qtbot.addWidget(line)
    line.setText("Done in 2.4 s · 8.2 it/s · previews 6%")
    room = line.fontMetrics().horizontalAdvance
    assert line.fitting(room(line.text())) == line.text()
    assert line.fitting(room(line.text()) - 1) == "Done in 2.4 s · 8.2 it/s"
    assert line.fitting(room("Done in 2.4 s · 8.2")) == "Done in 2.4 s"
    assert line.fitting(room("Done in")).endswith("…")
    assert line.text() == "Done in 2.4 s · 8.2 it/s · previews 6%" == line.accessibleName()
