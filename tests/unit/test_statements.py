"""e2e_site/schema/statements.py: where PostgreSQL takes a statement to end, and what of it is a string or a comment."""

import pytest

from e2e_site.schema.statements import split

TEXTS = {
    "statements": ["SELECT 1", "SELECT 2"],
    "strings": [r"SELECT '; COMMIT;', 'it''s; COMMIT;', '\'", "SELECT 2"],
    "strings with backslashes": [r"SELECT E'\'; COMMIT;', e'\\', E''';', E'\\''; COMMIT;'", "SELECT 2"],
    "a string that goes on": ["SELECT E'a' -- why?\n  'it\\'s; COMMIT;'", "SELECT 2"],
    "no string with backslashes": [r"SELECT 1 AS nameE'\'", "SELECT 2"],
    "other strings": [r"""SELECT U&'\', N'\', B'1', U&"\" """, "SELECT 2"],
    "quoted names": ['SELECT "; COMMIT;", "a"";" FROM t', "SELECT 2"],
    "comments in comments": ["SELECT 1 /* a /* b */ ; COMMIT; */ /*/ ; */ + 2", "SELECT 2"],
    "operators and comments": ["SELECT 2 */* ; */ 3 +-- ;\n 1", "SELECT 2"],
    "dollars": ["SELECT $$; $x$ ;$$, $é$;$$;$é$, $x1$ $x$; $x1$", "SELECT 2"],
    "no dollar quote": ["SELECT a$b$, $1", "SELECT b$c$"],
    "parentheses": ["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT (2))", "SELECT 2"],
    "a body in SQL": [
        "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN/**/ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
        "SELECT 2",
    ],
    "no body in SQL": ["CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1;'", "END", "SELECT 2"],
    "CR alone": ["SELECT 1 -- ;\r", "COMMIT"],
}


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS.keys())
def test_a_text_is_split_where_the_server_would(texts: list[str]) -> None:
    assert [statement.text for statement in split(";".join(texts))] == texts
    assert [statement.text for statement in split(f"/* ; */ ;; -- ;\n{';;'.join(texts)};\n-- the end;")] == texts


@pytest.mark.parametrize(
    "text", ["SELECT 'a; COMMIT", r"SELECT E'a\'; COMMIT", 'SELECT "a; COMMIT', "SELECT $a$; $$; COMMIT"]
)
def test_what_has_no_end_goes_to_the_end(text: str) -> None:
    (statement,) = split(text)
    assert statement.text == text
    assert "COMMIT" not in statement.code


def test_a_comment_without_an_end_is_none() -> None:
    assert list(split("/* /* */ COMMIT;")) == []


def test_a_statement_has_the_line_on_which_it_begins_and_its_bare_words() -> None:
    first, second, third = split("\n-- why\r\n CREATE\n/* x */ TABLE t\r(a int); SELECT 'x' , 1;\r\nselect\n2")
    assert (first.line, first.code) == (3, "CREATE TABLE t (a int)")
    assert (second.line, second.code) == (5, "SELECT , 1")
    assert (third.line, third.code) == (6, "select 2")
