import numpy as np

from tumorcam.operations import selftest


def test_the_self_test_passes_here_and_finds_a_wrong_gradient(capsys, monkeypatch):
    assert selftest.main() == 0
    assert "explain on the CPU, with XLA: right" in capsys.readouterr().out
    monkeypatch.setattr(selftest, "_gradients", lambda *args: np.ones((16, 2, 21, 21)))
    assert selftest.main() == 1
    assert "gradient off TensorFlow's own" in capsys.readouterr().out
