"""The copy ratio of a run: its curve is offered once there is something in it."""

from diffusion_studio.ui.train.chart import RunChart


def test_the_curve_is_there_once_a_ratio_was_measured(qtbot):
    chart = RunChart()
    qtbot.addWidget(chart)
    chart.show_log([{"step": 1, "loss": 0.5}], ())
    assert chart.by_copies.isHidden()
    chart.show_log([{"step": 1, "loss": 0.5}, {"step": 4, "ratio": 1.2}, {"step": 6, "ratio": None}], ())
    chart.add_ratio(8, 0.8)
    chart.add_ratio(8, 0.7)  # done again
    assert not chart.by_copies.isHidden() and chart.ratio.points == [(4, 1.2), (8, 0.7)]
    chart.by_level.show()
    chart.by_level.setChecked(True)
    chart.by_copies.setChecked(True)
    assert not chart.by_level.isChecked() and chart._plots.currentWidget() is chart.ratio
    assert "0.70" in chart.ratio.view.toolTip()
    chart.show_log([{"step": 1, "loss": 0.5}], ())
    assert chart.by_copies.isHidden() and chart._plots.currentIndex() == 0
