import errno
import os
import re

import h5py
import numpy as np
import pytest
from edited_files import edited, set_attributes
from small_files import KIND, make, open_again

from tumorcam.errors import DamageError, FileError, UnreadableError
from tumorcam.storage import hdf5, integrity, records


def test_a_file_appears_whole_and_sealed(tmp_path):
    path = make(tmp_path / "new folder" / "a.h5", cohort_digest="c0")
    with open_again(path) as file:
        assert file["maps"][...].tolist() == np.arange(24.0).reshape(6, 4).tolist()
        assert file["maps"].fletcher32
        assert dict(file.attrs) | {"digest": ""} == {
            "encoding-type": KIND,
            "encoding-version": "3",
            "cohort_digest": "c0",
            "digest": "",
            "complete": True,
        }
    integrity.check_seal(path)
    assert [p.name for p in path.parent.iterdir()] == ["a.h5"], "nothing is left aside"


def test_a_failed_writer_leaves_the_old_file(tmp_path):
    path = make(tmp_path / "a.h5")
    before = path.read_bytes()
    with pytest.raises(RuntimeError), hdf5.create_file(path, KIND, {}) as file:
        file["maps"] = [1]
        raise RuntimeError
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_clear_message(tmp_path, number):
    with (
        pytest.raises(FileError) as raised,
        hdf5.write_aside(tmp_path / "a.h5", needed=123_456) as aside,
    ):
        aside.write_bytes(bytes(8192))
        raise OSError(number, os.strerror(number))
    message = str(raised.value)
    assert message.startswith(
        f"no space left to write {tmp_path}/a.h5: 8,192 of at most 123,456 bytes"
    )
    assert re.search(r"[\d,]+ bytes are free on the disk of .*; free some and rerun", message)
    assert ("quota is used up" in message) == (number == errno.EDQUOT)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_disk_stay_what_they_are(tmp_path):
    with pytest.raises(PermissionError), hdf5.write_aside(tmp_path / "a.h5"):
        raise PermissionError


def test_two_processes_never_write_to_one_name(tmp_path, monkeypatch):
    with hdf5.write_aside(tmp_path / "a") as mine:
        mine.touch()
        monkeypatch.setenv("SLURM_PROCID", "7")
        with hdf5.write_aside(tmp_path / "a") as theirs:
            theirs.touch()
            assert mine != theirs


def test_a_missing_file_names_the_remedy(tmp_path):
    with (
        pytest.raises(FileError, match=r"a\.h5 does not exist; run `tumorcam test`"),
        open_again(tmp_path / "a.h5"),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("encoding-type", "tumorcam-other", "'tumorcam-other'.*wanted 'tumorcam-test'"),
        ("encoding-version", "9", "version '9'; wanted"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, name, value, words):
    path = make(tmp_path / "a.h5")
    set_attributes(path, **{name: value})
    with pytest.raises(FileError, match=words), open_again(path):
        pass
    with pytest.raises(FileError, match=words):
        hdf5.is_complete(path, KIND, {})


def test_garbage_truncation_and_a_lost_dataset_are_file_errors(tmp_path):
    (tmp_path / "text.h5").write_text("no HDF5")
    cut = make(tmp_path / "cut.h5", np.ones((100, 100)))
    cut.write_bytes(cut.read_bytes()[:2000])
    for path in (tmp_path / "text.h5", cut):
        with pytest.raises(DamageError, match=r"is damaged.*run `tumorcam test`, which makes it"):
            open_again(path).__enter__()
        with pytest.raises(DamageError, match="is damaged"):
            integrity.check_seal(path)
    path = make(tmp_path / "a.h5")
    lost = pytest.raises(DamageError, match=r"cannot be read .*run `tumorcam test`, which makes")
    with lost, open_again(path) as file:
        records.read_array(file, "absent")


@pytest.mark.parametrize("error", [KeyError("method"), OSError(5, "of another file"), ValueError()])
def test_an_error_of_the_caller_says_nothing_about_the_file(tmp_path, error):
    """Its own mistake must not cost the user a good file."""
    path = make(tmp_path / "a.h5")
    with pytest.raises(type(error)) as raised, open_again(path):
        raise error
    assert raised.value is error
    integrity.check_seal(path)


def test_damage_of_another_file_keeps_its_own_name(tmp_path):
    outer, inner = make(tmp_path / "outer.h5"), make(tmp_path / "inner.h5")
    with (
        pytest.raises(FileError, match=r"inner\.h5 cannot be read") as raised,
        open_again(outer),
        open_again(inner) as file,
    ):
        records.read_array(file, "absent")
    assert "outer.h5" not in str(raised.value)


def test_a_chunk_that_cannot_be_read_is_damage(tmp_path):
    path = make(tmp_path / "a.h5", np.ones((64, 64)))
    with h5py.File(path) as file:
        offset = file["maps"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamageError, match=r"a\.h5 is damaged: its SHA-256"):
        open_again(path).__enter__()
    set_attributes(path)  # as where the memory was at fault, not the disk
    cannot = pytest.raises(UnreadableError, match=r"a\.h5 cannot be read.*says nothing about")
    with cannot, open_again(path) as file:
        records.read_array(file, "maps")


def test_is_complete_asks_for_the_attributes(tmp_path):
    path = make(tmp_path / "a.h5", cohort_digest="c0", n_samples=3)
    assert hdf5.is_complete(path, KIND, {})
    assert hdf5.is_complete(path, KIND, {"cohort_digest": "c0", "n_samples": 3})
    assert not hdf5.is_complete(path, KIND, {"cohort_digest": "c1"})
    assert not hdf5.is_complete(path, KIND, {"model_digest": "m"})
    assert not hdf5.is_complete(tmp_path / "absent.h5", KIND, {})


@pytest.mark.parametrize("compression", sorted(records.COMPRESSION))
def test_any_flipped_byte_of_the_data_is_found(tmp_path, compression):
    path = tmp_path / "a.h5"
    rng = np.random.default_rng(0)
    with hdf5.create_file(path, KIND, {}) as file:
        values = rng.normal(size=(64, 32)).astype(np.float16)
        records.write_dataset(file, "maps", values, chunks=(16, 32), compression=compression)
    with h5py.File(path) as file:
        chunk = file["maps"].id.get_chunk_info(1)
        assert file["maps"][...].tolist() == values.tolist()
    sound = path.read_bytes()
    for offset in rng.integers(chunk.byte_offset, chunk.byte_offset + chunk.size, 20):
        flipped = bytearray(sound)
        flipped[offset] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        with pytest.raises(FileError, match="damaged"):
            integrity.check_seal(path)


def test_a_changed_value_attribute_or_name_changes_the_digest(tmp_path):
    digests = set()
    for i, change in enumerate(
        [
            lambda file: None,
            lambda file: file["maps"].write_direct(np.zeros((6, 4))),
            lambda file: file.attrs.update({"cohort_digest": "c1"}),
            lambda file: file["maps"].attrs.update({"unit": "nats"}),
            lambda file: file.move("maps", "moved"),
            lambda file: file.create_group("empty"),
        ]
    ):
        path = make(tmp_path / f"{i}.h5", cohort_digest="c0")
        with h5py.File(path, "a") as file:
            change(file)
            digests.add(integrity.content_digest(file))
        if i:
            with pytest.raises(DamageError, match="is damaged"):
                integrity.check_seal(path)
            with h5py.File(path) as file:
                assert file.attrs["digest"] != integrity.content_digest(file)
    assert len(digests) == 6


def test_the_digest_does_not_depend_on_chunks_or_compression(tmp_path, monkeypatch):
    values = np.random.default_rng(0).normal(size=(50, 6))
    digests = set()
    for chunks, compression in [(None, "none"), ((7, 2), "gzip"), ((50, 1), "bitshuffle-lz4")]:
        path = tmp_path / "a.h5"
        with hdf5.create_file(path, KIND, {}) as file:
            records.write_dataset(file, "maps", values, chunks=chunks, compression=compression)
        for block_bytes in (64 * 2**20, 100):
            monkeypatch.setattr(integrity, "BLOCK_BYTES", block_bytes)
            with h5py.File(path) as file:
                digests.add(integrity.content_digest(file))
    assert len(digests) == 1


def test_links_that_lead_outside_are_refused(tmp_path):
    secret = make(tmp_path / "secret.h5")
    for name, link in {
        "soft": h5py.SoftLink("/maps"),
        "external": h5py.ExternalLink(str(secret), "/maps"),
    }.items():
        path = make(tmp_path / f"{name}.h5")
        with edited(path) as file:
            file["link"] = link
        with pytest.raises(FileError, match=r"/link points outside"), open_again(path):
            pass
    for name, source in {"absolute": str(secret), "above": "../secret.h5"}.items():
        path = make(tmp_path / f"{name}.h5")
        with edited(path) as file:
            virtual = h5py.VirtualLayout((6, 4), "f8")
            virtual[...] = h5py.VirtualSource(source, "maps", (6, 4))
            file.create_virtual_dataset("virtual", virtual)
        with pytest.raises(FileError, match=r"/virtual points outside"), open_again(path):
            pass
    path = make(tmp_path / "storage.h5")
    with edited(path) as file:
        file.create_dataset("raw", (4,), "u1", external=[(str(secret), 0, 4)])
    with pytest.raises(FileError, match=r"/raw points outside"), open_again(path):
        pass


def test_virtual_sources_within_the_folder_are_read(tmp_path):
    make(tmp_path / "shard.h5")
    path = tmp_path / "all.h5"
    with hdf5.create_file(path, KIND, {}) as file:
        virtual = h5py.VirtualLayout((6, 4), "f8")
        virtual[...] = h5py.VirtualSource("shard.h5", "maps", (6, 4))
        file.create_virtual_dataset("maps", virtual)
    integrity.check_seal(path)
    with open_again(path) as file:
        assert file["maps"][5, 3] == 23.0


def test_text_is_written_whole_and_digests_are_sha256(tmp_path):
    hdf5.write_text(tmp_path / "plan.json", "é\n")
    assert (tmp_path / "plan.json").read_bytes() == "é\n".encode()
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    (tmp_path / "abc").write_text("abc")
    assert integrity.text_digest("abc") == abc == integrity.file_digest(tmp_path / "abc")


def test_files_are_replaced_together_and_their_list_goes_first_and_comes_last(tmp_path):
    folder = tmp_path / "report"
    listed = folder / "files.json"

    def write(text):
        with hdf5.write_together(listed) as aside:
            for name in ("files.json", "genes.csv", "figures/genes.svg"):
                hdf5.write_text(aside / name, text)

    write("old")
    (folder / "genes.csv").unlink()
    (folder / "genes.csv").mkdir()  # cannot be replaced by a file
    with pytest.raises(IsADirectoryError):
        write("new")
    assert not listed.exists(), "a new figure stands beside old tables"
    (folder / "genes.csv").rmdir()
    write("newest")
    texts = {path.name: path.read_text() for path in folder.rglob("*.*")}
    assert texts == dict.fromkeys(("files.json", "genes.csv", "genes.svg"), "newest")
    assert list(tmp_path.iterdir()) == [folder], "nothing is left beside it"
