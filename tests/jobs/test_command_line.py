import os
import pty
import signal
import subprocess
import sys
import time

import pytest

import tumorcam
from jobs import __main__ as command_line
from jobs import init
from tumorcam.settings.config import load_config

COMMANDS = list(command_line.MODULES)


def run_child(*words, **options):
    program = [sys.executable, "-m", "tumorcam.jobs", *words]
    return subprocess.run(program, capture_output=True, text=True, timeout=600, **options)


def test_help_names_every_command(capsys):
    assert command_line.main([]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)
    assert command_line.SUMMARIES.keys() == command_line.MODULES.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_examples(name, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main([name, "--help"])
    assert ended.value.code == 0
    assert f"examples:\n  tumorcam {name} " in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(words):
    heavy = "{'numpy', 'h5py', 'pandas', 'tensorflow', 'mpi4py', 'matplotlib'}"
    program = (
        "import sys\nfrom tumorcam.jobs import __main__ as command_line\n"
        f"try:\n    command_line.main({words!r})\nexcept SystemExit:\n    pass\n"
        f"sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_version_is_the_packages():
    ended = run_child("--version")
    assert (ended.returncode, ended.stdout) == (0, f"tumorcam {tumorcam.__version__}\n")


def test_an_unknown_command_is_one_message():
    ended = run_child("trian", "c.toml")
    assert ended.returncode == 2 and "invalid choice: 'trian'" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_commands_and_their_options(shell):
    ended = run_child("--print-completion", shell)
    assert ended.returncode == 0
    assert all(word in ended.stdout for word in (*COMMANDS, "--allow-partial", "--share"))


def test_init_writes_a_config_that_names_the_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ('a "b".tsv', "samples.tsv"):
        (tmp_path / name).touch()
    words = ["my.toml", "--expression", 'a "b".tsv', "--samples", "samples.tsv"]
    assert init.main([*words, "--scale", "counts"]) == 0
    config = load_config(tmp_path / "my.toml")
    assert (config.run.name, config.input.scale) == ("my", "counts")
    assert (config.input.expression, config.input.samples) == (('a "b".tsv',), ("samples.tsv",))
    assert init.main(words) == 1, "an earlier config is never overwritten"
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--expression", "absent.tsv"], "'absent.tsv': no file or folder has this path"),
        (["--samples", "absent.tsv"], "absent.tsv is no file"),
        (["absent.tsv", "samples.tsv"], "'absent.tsv': no file or folder has this path"),
        (["--scale", "x"], "wanted one of"),
    ],
)
def test_init_refuses_what_would_fail_later(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert init.main(["my.toml", *words]) == 1
    error = capsys.readouterr().err
    assert message in error and not list(tmp_path.iterdir())


def test_init_lays_out_the_slurm_scripts_and_keeps_a_sites_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "site.env").write_text("# ours\n", encoding="utf-8")
    assert init.main(["--slurm"]) == 0
    assert (tmp_path / "slurm" / "site.env").read_text(encoding="utf-8") == "# ours\n"
    for name in ("slurm/train.sh", "configs/demo.toml", "docs/cluster.md"):
        assert (tmp_path / name).is_file()
    assert os.access(tmp_path / "slurm" / "pipeline.sh", os.X_OK)


def test_ctrl_c_while_modules_are_imported_is_one_line(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "_module", interrupted)
    assert command_line.main(["train", "c.toml"]) == 130
    assert capsys.readouterr().err == "stopped by Ctrl-C\n"


@pytest.mark.slow
def test_ctrl_c_in_a_run_is_one_line_and_leaves_no_orphan(tiny_run, tiny_toml):
    """At a terminal, where the shell's Ctrl-C reaches the whole group of processes."""
    words = [tiny_toml, "--set", "training.epochs=5000", "--set", "training.patience=5000"]
    main_end, terminal = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-m", "tumorcam.jobs", "run", *words, "--ranks", "1"],
        stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    history = tiny_run.folder / "models" / "r00-f00" / "history.csv"
    while not history.exists() and run.poll() is None:
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)
    output = b""
    with open(main_end, "rb", buffering=0) as stream:  # noqa: PTH123
        while True:
            try:
                part = stream.read(4096)
            except OSError:  # every process has closed the terminal
                break
            output += part
    assert run.wait(60) == 130
    text = output.decode()
    assert text.count("stopped by SIGINT") == 1, text
    assert "Traceback" not in text
    assert list(history.parent.glob("checkpoints/*/ckpt-*.index"))
