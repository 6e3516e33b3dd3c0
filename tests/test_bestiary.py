"""The command itself: what scripts rely on, whatever the stages do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bestiary


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bestiary", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def test_help_lists_every_command_and_imports_no_heavy_library(tmp_path):
    code = (
        "import sys, bestiary\n"
        "try: bestiary.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'selenium', 'pyarrow', 'numpy', 'PIL', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert all(f"\n  {name} " in done.stdout for name in bestiary.COMMANDS)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", bestiary.COMMANDS)
def test_every_command_shows_its_help_without_tensorflow_or_selenium(name, tmp_path):
    code = (
        f"import sys, bestiary\n"
        f"try: bestiary.main([{name!r}, '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'tensorflow', 'keras', 'selenium'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)


def test_an_error_under_json_is_one_document_wherever_the_flag_stands(tmp_path):
    for arguments in (["--json", "audit", "nowhere"], ["audit", "nowhere", "--json"]):
        done = run(*arguments, cwd=tmp_path)

        document = json.loads(done.stdout)
        assert done.returncode == document["exit_code"] == 1
        assert "nowhere" in document["error"]
        assert done.stderr == ""


def test_what_a_terminal_would_obey_does_not_reach_it_in_an_error(tmp_path):
    done = run("audit", "no\x1b[2Jwhere", cwd=tmp_path)

    assert done.returncode == 1
    assert "no\ufffd[2Jwhere" in done.stderr


def test_a_usage_error_exits_with_2_also_under_json(tmp_path):
    plain = run("curate", "--size", "many", cwd=tmp_path)
    scripted = run("--json", "curate", "--size", "many", cwd=tmp_path)

    assert plain.returncode == scripted.returncode == 2
    assert "--size" in plain.stderr
    assert json.loads(scripted.stdout)["exit_code"] == 2


def test_text_for_people_leaves_a_piped_stdout_alone(tmp_path):
    done = run("init", cwd=tmp_path)

    assert done.stdout == ""
    assert "Wrote bestiary.toml" in done.stderr


def test_init_writes_settings_that_change_nothing_until_uncommented(tmp_path):
    run("init", "hamster", "Sorex araneus", cwd=tmp_path)

    text = (tmp_path / "bestiary.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["scrape"] == {"species": ["hamster", "Sorex araneus"]}
    assert "# per-species = " in text
    assert "# size = 224" in text
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line else line for line in text.splitlines()
    )
    assert "size" in tomllib.loads(uncommented)["curate"]


def test_one_word_in_the_settings_does_where_several_may_stand(tmp_path):
    settings = '[scrape]\naccept-terms = "google"\nallow-host = ""\ndriver-path = "nowhere"\n'
    (tmp_path / "bestiary.toml").write_text(settings)

    done = run("scrape", "hamster", cwd=tmp_path)

    assert done.returncode == 1  # The terms are accepted: only then is the driver missed.
    assert "--driver-path nowhere: there is no such file" in done.stderr


def test_init_does_not_replace_settings_unasked(tmp_path):
    (tmp_path / "bestiary.toml").write_text("[scrape]\n")

    assert run("init", cwd=tmp_path).returncode == 2
    assert run("init", "--force", cwd=tmp_path).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["bestiary.toml"]


def test_settings_are_defaults_that_the_command_line_overrides(tmp_path):
    (tmp_path / "bestiary.toml").write_text('[audit]\ndataset = "from-the-file"\n')

    assert "from-the-file" in run("audit", cwd=tmp_path).stderr
    assert "from-the-line" in run("audit", "from-the-line", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("settings", "culprit"),
    [
        ("[scrap]\n", "scrap"),
        ("[audit]\ncolour = 1\n", "colour"),
        ("[audit\n", "not valid TOML"),
        ("audit = 3\n", "audit = 3 outside of any table: write it below"),
        ("[audit]\ndataset = true\n", "dataset"),
        ("[curate]\nsize = {a = 1}\n[audit]\njson = true\n", "json"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path, settings, culprit):
    (tmp_path / "bestiary.toml").write_text(settings)

    done = run("audit", cwd=tmp_path)

    assert done.returncode == 2
    assert culprit in done.stderr
    assert "Traceback" not in done.stderr


def test_a_value_that_nobody_typed_is_said_to_stand_in_the_settings(tmp_path):
    (tmp_path / "bestiary.toml").write_text("[curate]\nsize = 32.5\n")

    assert "(it stands in bestiary.toml)" in run("curate", cwd=tmp_path).stderr
    assert "bestiary.toml" not in run("curate", "--size", "x", cwd=tmp_path).stderr


def test_settings_take_numbers_lists_and_lone_values_as_the_command_line_would(tmp_path):
    settings = """\ufeff
        [curate]
        harvest = 3
        splits = [0.5, 0.25, 0.25]
        workers = ""
        [scrape]
        species = "wren"
        allow-host = "127.0.0.0/8"
        source = "folder"
        from = "nowhere"
    """
    (tmp_path / "bestiary.toml").write_text(settings, encoding="utf-8")

    assert "no harvest at 3" in run("curate", cwd=tmp_path).stderr
    assert "nowhere" in run("scrape", cwd=tmp_path).stderr


def test_every_line_of_the_written_settings_can_be_uncommented(tmp_path):
    run("init", "hamster", cwd=tmp_path)
    path = tmp_path / "bestiary.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(re.sub(r"^# ([a-z-]+ = )", r"\1", line) for line in lines))

    assert "no harvest" in run("curate", cwd=tmp_path).stderr
    assert run("train", "no-such-model", cwd=tmp_path).returncode != 0
    assert "no dataset" in run("train", "scratch-224", cwd=tmp_path).stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_cannot_be_written_is_one_sentence(tmp_path, unbuffered):
    command = [sys.executable, "-m", "bestiary", "--json", "models"]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot write the answer")
    assert len(done.stderr.splitlines()) == 1


def test_json_is_the_same_document_whatever_the_encoding_of_stdout(tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "bestiary", "--json", "audit", "鼠"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)

    assert "鼠" in json.loads(done.stdout)["error"]


def test_doctor_answers_for_each_thing_that_bestiary_needs(tmp_path):
    done = run("--json", "doctor", cwd=tmp_path)

    document = json.loads(done.stdout)
    names = {check["name"] for check in document["checks"]}
    assert {"python", "browser", "driver", "disk", "write access"} <= names
    assert done.returncode == (0 if document["ok"] else 1)
    assert all(check["mend"] for check in document["checks"] if not check["ok"])


@pytest.mark.parametrize("name", bestiary.COMMANDS)
def test_every_option_says_what_it_is_for(name):
    command = bestiary.cli.get_command(bestiary.click.Context(bestiary.cli), name)

    options = [one for one in command.params if isinstance(one, bestiary.click.Option)]
    assert all(option.help for option in options)
