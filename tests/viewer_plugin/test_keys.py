"""Keys: spelled once, heard whatever modifiers a keyboard needs for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_pathoai.keys.actions import ReviewAction, by_key

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.usefixtures("display")


def test_a_key_with_two_meanings_is_refused() -> None:
    def action(name: str, *keys: str) -> ReviewAction:
        return ReviewAction(name, keys, "group_window", list)

    assert set(by_key([action("accept", "Y", "Return"), action("reject", "X")])) == {
        "Y",
        "Return",
        "X",
    }
    with pytest.raises(ValueError, match="two meanings: Y"):
        by_key([action("accept", "Y"), action("reject", "X", "Y")])


def test_keys_are_heard_with_just_their_modifiers(qtbot: QtBot) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QWidget

    from napari_pathoai.keys.review_keys import ReviewKeys

    pressed: list[str] = []
    active = [True]

    def action(key: str) -> ReviewAction:
        return ReviewAction("accept", (key,), "group_window", lambda: pressed.append(key))

    keys = ("Y", "Shift+Y", "Ctrl+Z", "Ctrl+Shift+Z", "?", "[", "1", "Space", "Delete")
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.show()
    heard = ReviewKeys([action(key) for key in keys], lambda: active[0])
    widget.installEventFilter(heard)
    shift, control = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
    QTest.keyClick(widget, Qt.Key.Key_Y)
    QTest.keyClick(widget, Qt.Key.Key_Y, shift)
    QTest.keyClick(widget, Qt.Key.Key_Z, control)
    QTest.keyClick(widget, Qt.Key.Key_Z, control | shift)
    QTest.keyClick(widget, Qt.Key.Key_Question, shift)
    QTest.keyClicks(widget, "?[1 ")
    QTest.keyClick(widget, Qt.Key.Key_1, Qt.KeyboardModifier.KeypadModifier)
    QTest.keyClick(widget, Qt.Key.Key_Delete)
    expected = [
        "Y",
        "Shift+Y",
        "Ctrl+Z",
        "Ctrl+Shift+Z",
        "?",
        "?",
        "[",
        "1",
        "Space",
        "1",
        "Delete",
    ]
    assert pressed == expected
    QTest.keyClick(widget, Qt.Key.Key_Y, control)
    active[0] = False
    QTest.keyClick(widget, Qt.Key.Key_Y)
    assert pressed == expected


def test_the_sheet_of_keys_lists_every_action(qtbot: QtBot) -> None:
    from qtpy.QtWidgets import QLabel

    from napari_pathoai.keys.cheat_sheet import CheatSheet

    actions = [
        ReviewAction("accept", ("Y",), "group_annotate", list),
        *(
            ReviewAction("class_number", (str(n),), "group_classes", list, {"number": n})
            for n in range(1, 10)
        ),
    ]
    sheet = CheatSheet(actions)
    qtbot.addWidget(sheet)
    shown = {label.text() for label in sheet.findChildren(QLabel)}
    assert {"Accept", "Y", "Class 1 – 9", "1 – 9", "<b>Classes</b>"} <= shown
