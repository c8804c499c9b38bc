"""The style sheet of the whole window, with the tokens of `theme.py` to be filled in. No widget sets its own colours."""

from string import Template

STYLE = Template("""
QWidget { color: $text; }
QMainWindow, QDialog, QStackedWidget { background: $window; }
QListView { background: $raised; border: 1px solid transparent; outline: none; }
QWidget QListView { background: transparent; }
QListView:focus { border-color: $accent; }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
* { lineedit-clear-button-icon: url("$icons/field-clear.svg"); }
QToolTip { background: $raised; color: $text; border: 1px solid $border; padding: 5px 7px; }

QMenuBar { background: $window; border: none; padding: 2px 8px; }
QMenuBar::item { background: transparent; padding: 5px 9px; border-radius: 6px; }
QMenuBar::item:selected { background: $hover; }
QMenu { background: $raised; border: 1px solid $border; padding: 5px; }
QMenu::item { padding: 6px 28px 6px 24px; border-radius: 6px; }
QMenu::item:selected { background: $hover; color: $text; }
QMenu::item:disabled { color: $muted; background: transparent; }
QMenu::separator { height: 1px; background: $border; margin: 5px 8px; }
QMenu::indicator { left: 7px; }

QStatusBar { background: $window; border: none; }
QStatusBar::item { border: none; }
QStatusBar QLabel { color: $muted; font-size: ${small}px; padding: 2px 8px; }

#rail { background: $window; border: none; }
#rail QToolButton { border: none; border-radius: 10px; padding: 7px 2px 5px 2px; color: $muted; font-size: ${small}px; }
#rail QToolButton:hover { background: $hover; color: $text; }
#rail QToolButton:checked { background: $hover; color: $accent; }
#rail QToolButton:focus { border: 2px solid $accent; padding: 5px 0px 3px 0px; }

#panel { background: $panel; border: none; }
#panelFoot { background: $panel; border: none; }
#outcome { background: $panel; border: none; border-top: 1px solid $border; border-bottom: 1px solid $border; }
#panel QScrollArea, #panelBody { background: $panel; border: none; }
#strip { background: $panel; border: none; }
#popover { background: $raised; border: 1px solid $border; border-radius: 10px; }
#popover QScrollArea, #popover QScrollArea > QWidget > QWidget { background: transparent; }
#chip { background: $raised; border: 1px solid $border; border-radius: 6px; }
#chip QDoubleSpinBox { background: transparent; border: none; padding: 4px 2px; }
#chip QDoubleSpinBox:focus { border: 2px solid $accent; padding: 2px 0; }
#chip QToolButton { padding: 2px 6px; }
#panelFoot QToolButton#liveToggle { border-color: $border; padding: 1px 8px; font-size: ${small}px; }
#panelFoot QToolButton#liveToggle:checked { border-color: $accent; color: $accent; }
#panelFoot QToolButton#liveToggle:disabled { color: $muted; }
#panelFoot QToolButton::menu-indicator { image: none; width: 0; }
#presets { color: $muted; padding: 4px 8px; border: 1px solid $border; border-radius: 6px; min-height: ${line}px; }
#presets:hover { color: $text; }
#presets::menu-indicator { image: url("$icons/arrow-down.svg"); width: 14px; height: 14px; right: 8px;
    subcontrol-position: center right; subcontrol-origin: padding; }
#canvasToolbar { background: $panel; border: none; }
#card { background: transparent; border: 1px solid $border; border-radius: 10px; }
#timeline { background: $panel; }
#timeline QToolButton { color: $text; font-size: ${small}px; padding: 4px; }
#timeline QToolButton:disabled { color: $muted; }
#timeline QToolButton#link { color: $muted; padding: 1px 6px; }
#timeline QToolButton#link:checked { color: $text; }
#panel QToolButton#link { color: $accent; font-size: ${small}px; padding: 1px 6px 1px 0; margin-left: -4px; }
#panel QToolButton#link:focus { border-color: transparent; text-decoration: underline; }
#note QToolButton#link { color: $accent; font-size: ${small}px; padding: 1px 6px 1px 0; }
#note { background: $hover; border: none; border-right: 1px solid $border; border-bottom: 1px solid $border; }
#noteTitle { font-weight: 600; }
QLabel[quiet="true"] { color: $muted; }
QLabel[small="true"] { color: $muted; font-size: ${small}px; }
QLabel[fault="true"] { color: $danger; }
QLabel[success="true"] { color: $success; }
QLabel[warning="true"] { color: $warning; }
QLabel[display="true"] { font-size: 28px; font-weight: 600; }
QLabel[title="true"], QLineEdit[title="true"] { font-size: 20px; font-weight: 600; }
QLabel[heading="true"] { font-size: 15px; font-weight: 600; }

QComboBox, QSpinBox, QDoubleSpinBox, QLineEdit {
    background: $raised; border: 1px solid $border; border-radius: 6px; min-height: ${line}px; max-height: ${line}px;
    padding: 4px 8px;
    selection-background-color: $accent; selection-color: $accent_text;
}
QComboBox:hover, QSpinBox:hover, QDoubleSpinBox:hover, QLineEdit:hover { border-color: $muted; }
QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus, QLineEdit:focus { border: 2px solid $accent; padding: 3px 7px; }
QComboBox:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QLineEdit:disabled { color: $muted; background: $panel; }
QComboBox { padding-right: 0; combobox-popup: 0; }
ModelChooser { min-height: 46px; max-height: 46px; }
QComboBox::drop-down { border: none; width: 24px; }
QComboBox::down-arrow { image: url("$icons/arrow-down.svg"); width: 14px; height: 14px; }
QComboBox QAbstractItemView {
    background: $raised; border: 1px solid $border; outline: none; padding: 4px;
    selection-background-color: $accent; selection-color: $accent_text;
}
QComboBox QAbstractItemView::item { min-height: 26px; padding: 0 6px; border-radius: 6px; }
QComboBox QAbstractItemView::item:selected { background: $hover; color: $text; }
QSpinBox QLineEdit, QDoubleSpinBox QLineEdit { background: transparent; border: none; padding: 0; }
#plain::up-button, #plain::down-button { width: 0; }
#plain::up-arrow, #plain::down-arrow { image: none; width: 0; height: 0; }
QSpinBox, QDoubleSpinBox { padding-right: 0; }
QSpinBox::up-button, QDoubleSpinBox::up-button { border: none; width: 20px; subcontrol-position: top right; }
QSpinBox::down-button, QDoubleSpinBox::down-button { border: none; width: 20px; subcontrol-position: bottom right; }
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow { image: url("$icons/arrow-up.svg"); width: 11px; height: 11px; }
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow { image: url("$icons/arrow-down.svg"); width: 11px; height: 11px; }

QSlider { min-height: 22px; }
QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: $border; }
QSlider::sub-page:horizontal { height: 4px; border-radius: 2px; background: $accent; }
QSlider::handle:horizontal { width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; background: $accent; }
QSlider::handle:horizontal:hover { background: $accent_hover; }
QSlider:focus { border: 1px solid $accent; border-radius: 6px; }

QCheckBox { spacing: 8px; padding: 3px; margin-left: -4px; border: 1px solid transparent; border-radius: 6px; }
QCheckBox:focus { border-color: $accent; }
QCheckBox::indicator { width: 16px; height: 16px; border: 1px solid $muted; border-radius: 4px; background: $raised; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; image: url("$icons/check.svg"); }

QPushButton {
    background: $raised; border: 1px solid $border; border-radius: 6px; padding: 4px 14px; min-height: ${line}px;
}
QPushButton:hover { background: $hover; }
QPushButton:focus { border: 2px solid $accent; padding: 3px 13px; }
QPushButton:disabled { color: $muted; background: transparent; }
QPushButton:checked { background: $hover; border-color: $accent; }
QPushButton[primary="true"] { background: $accent; color: $accent_text; border-color: $accent; font-weight: 600; }
QPushButton[primary="true"]:focus { border: 2px solid $text; }
QPushButton[primary="true"]:hover { background: $accent_hover; }
QPushButton[primary="true"]:disabled { background: $hover; color: $muted; border-color: $border; }

QPushButton[danger="true"] { background: $danger; color: $danger_text; border-color: $danger; font-weight: 600; }
QPushButton[danger="true"]:focus { border: 2px solid $text; }
QPushButton[danger="true"]:disabled { background: $hover; color: $muted; border-color: $border; }

QToolButton { background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 4px; }
QToolButton::menu-indicator { image: none; width: 0; }
QPushButton::menu-indicator {
    image: url("$icons/arrow-down.svg"); width: 12px; height: 12px; right: 8px;
    subcontrol-position: center right; subcontrol-origin: padding;
}
QToolButton:hover { background: $hover; }
QToolButton:focus { border-color: $accent; }
QToolButton:checked { background: $hover; }
#disclosure { color: $muted; padding: 4px 6px 4px 0; margin-left: -2px; }
#disclosure:checked { background: transparent; }
#disclosure:hover { background: $hover; }

#compareHead { background: $panel; border: none; }
#compareHead QStackedWidget, #panel QStackedWidget { background: transparent; }
#compareFoot, #compareSheet { background: $ground; border: none; }
#checkList {
    background: $raised; border: 1px solid $border; border-radius: 6px; min-height: ${line}px; max-height: ${line}px;
    padding: 4px 8px;
}
#checkList:hover { border-color: $muted; }
#checkList:focus { border: 2px solid $accent; padding: 3px 7px; }
#checkList::menu-indicator { image: url("$icons/arrow-down.svg"); width: 14px; height: 14px; right: 6px;
    subcontrol-position: center right; subcontrol-origin: padding; }
#checks { background: $raised; border: none; }
#checks::item { min-height: 26px; padding: 0 4px; border-radius: 6px; }
#checks::item:selected { background: $hover; color: $text; }
#checks::indicator {
    width: 16px; height: 16px; border: 1px solid $muted; border-radius: 4px; background: $raised; margin-left: 2px;
}
#checks::indicator:checked { background: $accent; border-color: $accent; image: url("$icons/check.svg"); }
#thinBar { background: $border; border: none; border-radius: 3px; }
#thinBar::chunk { background: $accent; border-radius: 3px; }

#chips QToolButton { border: 1px solid $border; border-radius: 13px; padding: 3px 11px; font-size: ${small}px; }
#chips QToolButton:hover { background: $hover; }
#chips QToolButton:checked { background: $hover; border-color: $accent; }
#chips QToolButton:focus { border: 2px solid $accent; padding: 2px 10px; }
#chips QToolButton[menu="true"] { padding-right: 24px; }
#chips QToolButton[menu="true"]:focus { padding-right: 23px; }
#chips QToolButton::menu-indicator { image: url("$icons/arrow-down.svg"); width: 12px; height: 12px; right: 8px;
    subcontrol-position: center right; subcontrol-origin: padding; }
#chips #link { border-color: transparent; color: $accent; }
#galleryGrid, #gridArea { background: $ground; border: none; }
#onGround { background: $ground_raised; border-radius: 10px; }
#onGround QToolButton::menu-indicator { image: none; width: 0; }
#onGround QToolButton { color: $ground_muted; padding: 4px 8px; border-radius: 6px; font-size: ${small}px; }
#onGround QToolButton:hover { color: $ground_text; background: transparent; }
#onGround QToolButton:checked { color: $ground_text; background: $ground; }
#onGround QToolButton:focus { border-color: $ground_muted; }
#onGround QLabel { color: $ground_muted; font-size: ${small}px; padding: 0 4px; }

#banner { background: $fault; border: none; border-bottom: 1px solid $fault_text; }
#banner QLabel, #banner QToolButton, #banner QPushButton { color: $fault_text; }
#banner QPushButton { background: transparent; border: 1px solid $fault_text; padding: 3px 10px; }
#banner QPushButton:focus { border: 2px solid $fault_text; padding: 2px 9px; }
#banner QPushButton:hover, #banner QToolButton:hover { background: $panel; color: $text; }
#banner QToolButton:focus { border-color: $fault_text; }
#toast { background: $toast; border: none; border-radius: 10px; }
#toast QLabel { color: $toast_text; }
#toast QPushButton, #toast QToolButton { background: transparent; border: 1px solid transparent;
    color: $toast_accent; font-weight: 600; padding: 3px 9px; }
#toast QPushButton:hover, #toast QToolButton:hover { background: $ground_raised; }
#toast QPushButton:focus, #toast QToolButton:focus { border: 2px solid $toast_accent; padding: 2px 8px; }
#palette { background: $raised; border: 1px solid $border; border-radius: 10px; }
#palette QLineEdit { font-size: 15px; min-height: 28px; max-height: 28px; }
#palette QListView::item, #settingsList::item { padding: 2px 10px; border-radius: 6px; color: $text; }
#palette QListView::item:selected, #settingsList::item:selected { background: $hover; color: $text; }
#settingsList { background: $panel; padding: 12px 8px; }
#tourCard { background: $raised; border: 1px solid $border; border-radius: 10px; }
#rail QLabel#badge { background: $accent; color: $accent_text; border-radius: 7px; font-size: ${small}px; padding: 0 4px; }
#banner QLineEdit { padding-left: 6px; padding-right: 6px; }
QLineEdit:focus { padding-left: 5px; padding-right: 5px; }
QPlainTextEdit { background: $panel; color: $text; border: none; border-radius: 6px; padding: 6px; }

QPlainTextEdit { background: $raised; border: 1px solid $border; border-radius: 6px; }
#models:focus { border-color: transparent; }
#completions { background: $raised; border: 1px solid $border; }
#completions::item { min-height: 24px; padding: 0 6px; }
#completions::item:selected { background: $hover; color: $text; }
#found, #refused { background: $raised; border: 1px solid $border; border-radius: 6px; padding: 4px; }
#refused:focus { border-color: $accent; }
#trashList { background: $raised; border: 1px solid $border; border-radius: 6px; padding: 4px; }
#trashList:focus { border-color: $accent; }
#trashList::item { padding: 6px 8px; border-radius: 6px; color: $text; }
#trashList::item:selected { background: $hover; color: $text; }
#activity { background: $panel; border: none; border-top: 1px solid $border; }
QTableWidget::item { padding: 0 10px; }
QTableWidget::item:selected { background: $hover; color: $text; }
QHeaderView { background: $raised; border: none; }
QHeaderView::section { background: $raised; color: $muted; border: none; padding: 6px 13px; font-weight: 600; }
QTableWidget { background: $raised; border: 1px solid $border; border-radius: 6px; gridline-color: transparent; }
QSplitter::handle { background: transparent; }
QSplitter::handle:hover, QSplitter::handle:pressed { background: $muted; }
#panelSplitter::handle { background: $panel; }
#panelSplitter::handle:hover, #panelSplitter::handle:pressed { background: $muted; }
QSplitter::handle:horizontal { width: 1px; }
QSplitter::handle:vertical { height: 1px; }
QScrollBar { background: transparent; border: none; margin: 0; }
QScrollBar:vertical { width: ${scroll}px; }
QScrollBar:horizontal { height: ${scroll}px; }
QScrollBar::handle { background: $border; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 28px; }
QScrollBar::handle:horizontal { min-width: 28px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
""")
