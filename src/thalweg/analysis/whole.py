"""A table that prints whole."""

from typing import final

import pandas as pd


@final
class Table(pd.DataFrame):
    """A DataFrame whose text has all its columns, whatever the width of the terminal; a DataFrame in all else.

    pandas would leave out columns in the middle, and can be told otherwise only for all tables of a program.
    """

    def __repr__(self) -> str:
        return self.to_string(max_rows=pd.get_option("display.max_rows"), show_dimensions="truncate")  # pyright: ignore

    @property
    def _constructor(self) -> type["Table"]:  # for what is selected or sorted of it
        return Table
