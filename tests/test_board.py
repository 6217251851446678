"""The backend of the tab RNN, asked in process through TensorBoard's own application, with both of its loaders."""

import json
import pathlib
import shutil
import struct
import sys
import time
import types

import numpy as np
import pytest
import werkzeug.test
from tensorboard import compat, program
from tensorboard.backend import application
from tensorboard.backend.event_processing import (
    data_ingester,  # noqa: F401  (loads all that reads files)
    plugin_event_accumulator,
)
from tensorboard.compat import tensorflow_stub
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.core import core_plugin
from tensorboard.plugins.scalar import scalars_plugin
from tensorboard.summary.writer import record_writer

from rnn_tutorial import board, diagnosis, recording
from rnn_tutorial.board import arrays, findings, plugin, reading
from rnn_tutorial.recording import schema

# TensorBoard leaves the fast loader's process to end with its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROUTES = "/data/plugin/rnn_tutorial"
ODD_NAME = "层 one/'two' \"<b>&amp;</b>"


def open_board(folder, load_fast, *options):
    """A client of a TensorBoard that has one plugin more than none: ours."""
    loaders = [core_plugin.CorePluginLoader(), board.Loader(), scalars_plugin.ScalarsPlugin]
    tensorboard = program.TensorBoard(loaders)
    tensorboard.configure(
        argv=["tensorboard", "--logdir", str(folder), "--load_fast", load_fast, "--reload_interval", "1", *options]
    )
    data, multiplexer = tensorboard._make_data_provider()
    app = application.TensorBoardWSGIApp(tensorboard.flags, loaders, data, None, multiplexer)
    client = werkzeug.test.Client(app)
    client.ingester = tensorboard._ingester
    return client


def close_board(client):
    """End the fast loader's process, which otherwise ends with this one."""
    pipe = getattr(client.ingester, "_stdin_handle", None)
    if pipe is not None:
        pipe.close()


@pytest.fixture(scope="module", autouse=True)
def without_tensorflow():
    """TensorBoard reads files by its own means, as where TensorFlow is not installed."""
    assert compat.tf2.summary  # found now, and for the tests that come later in this process
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tensorboard.compat.notf", types.ModuleType("notf"))
        for name, module in list(sys.modules.items()):
            if name.startswith("tensorboard.") and vars(module).get("tf") is compat.tf:
                patch.setattr(module, "tf", tensorflow_stub)
        yield


@pytest.fixture(scope="module", params=["false", "true"], ids=["python", "fast"])
def load_fast(request):
    if request.param == "true":
        data_server = pytest.importorskip("tensorboard_data_server")
        if data_server.server_binary() is None:
            pytest.skip("there is no fast loader for this machine")
    return request.param


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def get(client, route, code=200, **query):
    answer = client.get(f"{ROUTES}/{route}", query_string=query)
    assert answer.status_code == code, answer.get_data(as_text=True)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if code != 200:
        assert answer.mimetype == "text/plain"
        return answer.get_data(as_text=True)
    return answer.json if answer.mimetype == "application/json" else unpack(answer.data)


def unpack(content):
    """The header and the arrays of a binary answer, read independently of `arrays.pack`."""
    (length,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + length])
    body = content[4 + length :]
    found = []
    for about in header["arrays"]:
        dtype = np.dtype(about["dtype"]).newbyteorder("<")
        count = int(np.prod(about["shape"]))
        found.append(np.frombuffer(body, dtype, count, about["offset"]).reshape(about["shape"]))
    return header, found


def layers_of(client, run):
    found = {listed["name"]: listed for listed in get(client, "runs")["runs"]}
    return {layer["name"]: layer for layer in found.get(run, {"layers": []})["layers"]}


@pytest.fixture(scope="module")
def logs(tmp_path_factory, record_layer):
    folder = tmp_path_factory.mktemp("board")
    with recording.Run(folder / "healthy") as run:
        record_layer(run)
        record_layer(run, ODD_NAME, epochs=range(2))
    with recording.Run(folder / "健康 run's <i>") as run:
        record_layer(run, epochs=[3, 5], frames=False)
    with recording.Run(folder / "newer") as run:
        record_layer(run, version=schema.VERSION + 1)
    with recording.Run(folder / "dense") as run:
        run.scalar("gradient_norm/global", 1.0, 0)
    with recording.Run(folder / "just_begun"):
        pass
    with recording.Run(folder / "healthy" / "validation") as run:
        run.scalar("epoch_loss", 1.0, 0)
    (folder / "outside").mkdir()
    with recording.Run(folder / "broken") as run:
        content = json.dumps({"v": 1, "kind": "grad_flow", "layer": "gru", "cell": "GRU", "units": 2}).encode()
        frames = json.dumps({"v": 1, "kind": "states", "layer": "gru", "cell": "GRU", "units": 2}).encode()
        for epoch, shape in enumerate([(3,), (5,), (2, 2), (), (4,)]):
            run.tensor("rnn/gru/grad_flow", np.full(shape, epoch + 1, "float32"), epoch, "rnn_tutorial", content)
        values = np.array([np.nan, np.inf, -np.inf, 1e-30, 0], "float32")
        run.tensor("rnn/gru/grad_flow", values, 5, "rnn_tutorial", content)
        for epoch, blobs in enumerate([[b"{}", b""], [b"no header"], [b'{"shape": [9]}', b"123"]]):
            run.blobs("rnn/gru/states", blobs, epoch, "rnn_tutorial", frames)
        run.tensor("rnn/other/grad_flow", values, 0, "rnn_tutorial", b"not JSON")
        run.scalar("lost", 0.0, 6)
    path = run.path
    path.write_bytes(path.read_bytes()[:-7])  # ends in the middle of a record
    return folder


@pytest.fixture(scope="module")
def client(logs, load_fast):
    client = open_board(logs, load_fast)
    wait_for(lambda: layers_of(client, "broken") and layers_of(client, "healthy") and layers_of(client, "newer"))
    wait_for(lambda: len(get(client, "runs")["runs"]) == 6)
    yield client
    close_board(client)


def test_runs_and_layers(client):
    listed = {run["name"]: run for run in get(client, "runs")["runs"]}
    # What Keras writes beside a run is not a run of its own.
    assert set(listed) == {"healthy", "健康 run's <i>", "newer", "dense", "just_begun", "broken"}
    (lstm,) = listed["健康 run's <i>"]["layers"]
    assert lstm == {
        "name": "lstm",
        "cell": "LSTM",
        "units": 4,
        "flows": ["total", "immediate", "cell"],
        "frames": [],
        "last": 5,
        "problem": None,
    }
    odd, plain = sorted(listed["healthy"]["layers"], key=lambda layer: layer["name"] == "lstm")
    assert (odd["name"], plain["name"]) == (ODD_NAME, "lstm")
    assert plain["frames"] == ["states", "gates"]
    assert (odd["last"], plain["last"]) == (1, 5)
    assert listed["dense"]["layers"] == [] == listed["just_begun"]["layers"]
    assert not listed["dense"]["starting"]
    assert listed["just_begun"]["starting"]


def test_the_page_is_told_what_there_is_on_the_wire(client):
    told = get(client, "schema")
    assert (told["plugin"], told["version"]) == (schema.PLUGIN, schema.VERSION)
    assert list(told["flows"]) == list(schema.FLOWS)
    assert list(told["frames"]) == list(schema.FRAMES)
    assert all(about["label"] and about["symbol"] for about in told["flows"].values())
    assert all(about["label"] for about in told["frames"].values())
    # The page itself spells nothing of this, nor the name of a rule. ("cell" is also the name of a state.)
    words = {schema.PLUGIN, *schema.FLOWS, *schema.FLOWS.values(), *schema.FRAMES, *schema.RENAMED, *diagnosis.RULES}
    spelled = [f'"{word}"' for word in words - {"cell"}] + [f"p.{schema.PLUGIN}"]
    spelled += [about["symbol"] for about in told["flows"].values()]
    for path in plugin._STATIC.glob("*.js"):
        program = path.read_text(encoding="utf-8")
        assert [word for word in spelled if word in program] == [], path.name


def test_runs_have_the_numbers_of_tensorboards_colours(client):
    order = client.get("/data/runs").json
    for run in get(client, "runs")["runs"]:
        assert order[run["number"]] == run["name"]


def test_an_unknown_version_is_a_message(client):
    (layer,) = layers_of(client, "newer").values()
    assert f"version {schema.VERSION + 1}" in layer["problem"]
    assert "upgrade" in layer["problem"]
    assert layer["flows"] == layer["frames"] == []
    assert "format" in layers_of(client, "broken")["other"]["problem"]


def test_flow_as_it_was_recorded(client):
    header, (table,) = get(client, "flow", run="healthy", layer="lstm", kind="total")
    assert header["first"] == header["last"] == [0, 1, 2, 3, 4, 5]
    assert header["times"] == list(range(9))
    assert header["left_out"] == 0
    steps = np.arange(8)
    expected = np.stack([10.0 ** (-(7 - steps) / (1 + epoch)) for epoch in range(6)])
    assert table.dtype == np.float32
    np.testing.assert_allclose(table, expected, rtol=1e-6)
    _, (above,) = get(client, "flow", run="healthy", layer="lstm", kind="immediate")
    _, (cell,) = get(client, "flow", run="healthy", layer="lstm", kind="cell")
    np.testing.assert_allclose(above, table / 10, rtol=1e-6)
    np.testing.assert_allclose(cell, table / 2, rtol=1e-6)


def test_odd_names_of_runs_and_layers(client):
    header, _ = get(client, "flow", run="healthy", layer=ODD_NAME, kind="total")
    assert header["last"] == [0, 1]
    header, _ = get(client, "flow", run="健康 run's <i>", layer="lstm", kind="total")
    assert header["last"] == [3, 5]


def test_shapes_that_change_and_numbers_that_are_none(client):
    header, (table,) = get(client, "flow", run="broken", layer="gru", kind="total")
    assert header["left_out"] == 2
    assert header["last"] == [0, 1, 4, 5]
    nan = np.nan
    rows = [[1, 1, 1, nan, nan], [2, 2, 2, 2, 2], [5, 5, 5, 5, nan], [nan, np.inf, -np.inf, 1e-30, 0]]
    np.testing.assert_array_equal(table, np.array(rows, "float32"))


def test_thinned_flow_keeps_what_stands_out(client):
    header, (low, high, mean) = get(client, "flow", run="healthy", layer="lstm", kind="total", rows=2, columns=3)
    _, (table,) = get(client, "flow", run="healthy", layer="lstm", kind="total")
    assert header["first"] == [0, 3]
    assert header["last"] == [2, 5]
    assert header["times"] == [0, 2, 5, 8]
    assert header["epochs"] == 6
    for row, epochs in enumerate((slice(0, 3), slice(3, 6))):
        for column, times in enumerate((slice(0, 2), slice(2, 5), slice(5, 8))):
            part = table[epochs, times]
            assert low[row, column] == part.min()
            assert high[row, column] == part.max()
            assert mean[row, column] == pytest.approx(part.mean())


def test_curve_of_one_epoch(client):
    _, (table,) = get(client, "flow", run="healthy", layer="lstm", kind="total")
    header, (curve,) = get(client, "curve", run="healthy", layer="lstm", kind="total", epoch=2)
    assert header["epoch"] == 2
    np.testing.assert_array_equal(curve, table[2])
    for asked, answered in ((4, 3), (99, 5), (0, 3)):
        header, _ = get(client, "curve", run="健康 run's <i>", layer="lstm", kind="total", epoch=asked)
        assert header["epoch"] == answered


def test_frames(client):
    assert get(client, "frames", run="healthy", layer="lstm", kind="states") == {"epochs": list(range(6))}
    header, (values,) = get(client, "frame", run="healthy", layer="lstm", kind="states", epoch=3)
    assert header["names"] == ["hidden", "cell"]
    assert header["stride"] == [1, 1, 1]
    assert header["ranges"] == [None, None]
    waves = np.sin(np.arange(8) / 3 + np.arange(4)[:, None] + 3)
    assert values.dtype == np.float16
    np.testing.assert_array_equal(values, np.stack([waves, 2 * waves]).astype("float16"))
    header, (values,) = get(client, "frame", run="healthy", layer="lstm", kind="gates", epoch=3)
    assert header["names"] == ["input", "forget", "candidate", "output"]
    assert header["ranges"] == [[0, 1], [0, 1], [-1, 1], [0, 1]]  # not recorded, and those of Keras
    assert values.shape == (4, 4, 8)


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_damaged_frame_is_told(client, epoch):
    assert "damaged" in get(client, "frame", 400, run="broken", layer="gru", kind="states", epoch=epoch)


def test_saturation(client):
    gates = get(client, "saturation", run="healthy", layer="lstm")["gates"]
    assert list(gates) == ["input", "forget", "candidate", "output"]
    assert [epoch for epoch, _ in gates["forget"]] == list(range(6))
    assert [share for _, share in gates["forget"]] == pytest.approx([(1 + epoch) / 20 for epoch in range(6)])
    assert get(client, "saturation", run="健康 run's <i>", layer="gru")["gates"] == {}


@pytest.mark.parametrize(
    ("code", "route", "query", "message"),
    [
        (404, "flow", {"run": "healthy", "layer": "gru", "kind": "total"}, "has no"),
        (404, "flow", {"run": "nobody", "layer": "lstm", "kind": "total"}, "has no"),
        (400, "flow", {"run": "healthy", "layer": "lstm", "kind": "all"}, "total, immediate, cell"),
        (400, "flow", {"run": "healthy", "layer": "lstm"}, "kind"),
        (400, "flow", {"layer": "lstm", "kind": "total"}, "run"),
        (400, "flow", {"run": "healthy", "layer": "lstm", "kind": "total", "rows": "0"}, "1 or more"),
        (400, "flow", {"run": "healthy", "layer": "lstm", "kind": "total", "columns": "many"}, "'many'"),
        (400, "curve", {"run": "healthy", "layer": "lstm", "kind": "total"}, "epoch"),
        (400, "curve", {"run": "healthy", "layer": "lstm", "kind": "total", "epoch": 10**30}, "epoch"),
        (400, "frame", {"run": "healthy", "layer": "lstm", "kind": "states", "epoch": -1}, "epoch"),
        (404, "frame", {"run": "healthy", "layer": "lstm", "kind": "states", "epoch": 77}, "epoch 77"),
        (404, "frames", {"run": "健康 run's <i>", "layer": "lstm", "kind": "states"}, "has no"),
        (400, "frames", {"run": "healthy", "layer": "lstm", "kind": "weights"}, "states, gates"),
        (404, "findings", {"run": "nobody"}, "no run"),
    ],
)
def test_what_cannot_be_answered(client, code, route, query, message):
    assert message in get(client, route, code, **query)


@pytest.mark.parametrize("path", ["../../etc/passwd", "../healthy", "/etc", "..", "%2e%2e/", "outside", "healthy\0"])
def test_no_argument_is_a_path(client, path):
    for kind, routes in (("total", ("flow", "curve")), ("states", ("frames", "frame"))):
        for route in routes:
            get(client, route, 404, run=path, layer="lstm", kind=kind, epoch=0)
            get(client, route, 404, run="healthy", layer=path, kind=kind, epoch=0)
    get(client, "findings", 404, run=path)
    assert get(client, "saturation", run=path, layer="lstm") == {"gates": {}}
    for route in (f"static/{path}", f"static/../{path}", f"{path}/index.js", "static/", "static/__init__.py"):
        assert client.get(f"{ROUTES}/{route}").status_code == 404


def test_static_files(client):
    assert set(plugin._FILES) == {path.name for path in plugin._STATIC.iterdir()}
    for name, kind in plugin._FILES.items():
        answer = client.get(f"{ROUTES}/static/{name}")
        assert answer.status_code == 200
        assert answer.mimetype == kind
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        text = answer.get_data(as_text=True)
        assert text == (plugin._STATIC / name).read_text(encoding="utf-8")
        assert "http://" not in text.replace("http://www.w3.org/", "")
        assert "https://" not in text
    assert client.post(f"{ROUTES}/runs").status_code == 405


def test_the_tab_is_listed_and_loads_our_program(client):
    listed = client.get("/data/plugins_listing").json["rnn_tutorial"]
    assert listed["enabled"]
    assert listed["tab_name"] == "RNN"
    assert listed["loading_mechanism"] == {"type": "IFRAME", "module_path": "/data/plugin/rnn_tutorial/static/index.js"}
    page = client.get("/data/plugin_entry.html", query_string={"name": "rnn_tutorial"}).get_data(as_text=True)
    assert "./static/index.js" in page


def test_findings_of_what_is_damaged(client):
    """What cannot be understood is left out, here as in the rest of the tab."""
    for run in ("broken", "newer", "just_begun"):
        assert set(get(client, "findings", run=run)) == {"findings", "note"}


def test_findings(tmp_path, load_fast, record_layer, monkeypatch):
    """Those of the rules, each with the place that shows it, read anew only where something was written."""
    with recording.Run(tmp_path / "sick") as run:
        record_layer(run)
    with recording.Run(tmp_path / "sick" / "train") as run:
        for epoch, loss in enumerate([1.0, 0.8, float("nan")]):
            run.scalar("epoch_loss", loss, epoch)
    read, read_run = [], diagnosis.read
    monkeypatch.setattr(diagnosis, "read", lambda folder: read.append(folder) or read_run(folder))
    client = open_board(tmp_path, load_fast)
    wait_for(lambda: "lstm" in layers_of(client, "sick"))
    for _ in range(2):
        found = get(client, "findings", run="sick")["findings"]
        expected = diagnosis.diagnose(read_run(tmp_path / "sick"))
        assert [(one["rule"], one["cause"], one["epochs"]) for one in found] == [
            (one.rule, one.cause, list(one.epochs)) for one in expected
        ]
        assert [one["severity"] for one in found if one["rule"] == "nan"] == ["severe"]
        assert [one["panel"] for one in found] == [diagnosis.RULES[one.rule].panel for one in expected]
    assert read == [tmp_path / "sick"]
    monkeypatch.setattr(findings, "_LARGEST", 10)
    assert "rnn-tutorial diagnose" in get(client, "findings", run="sick")["note"]
    close_board(client)


VERSION_1 = pathlib.Path(__file__).parent / "recorded" / "version_1"


def test_what_version_1_recorded(tmp_path, load_fast, read_values, our_event_file):
    """All routes give it, the immediate part among it, which had another name."""
    shutil.copytree(VERSION_1, tmp_path / "run")
    written = read_values(our_event_file(VERSION_1))
    client = open_board(tmp_path, load_fast)
    wait_for(lambda: [layer["last"] for layer in layers_of(client, "run").values()] == [3, 3])
    (listed,) = get(client, "runs")["runs"]
    assert [layer["name"] for layer in listed["layers"]] == ["lstm", "reader"]
    assert [layer["flows"] for layer in listed["layers"]] == [["total", "immediate", "cell"], ["total", "immediate"]]
    assert [layer["frames"] for layer in listed["layers"]] == [["states", "gates"]] * 2
    assert [layer["problem"] for layer in listed["layers"]] == [None, None]
    kinds = {"total": "grad_flow", "immediate": "grad_flow_above", "cell": "grad_flow_cell"}
    for layer in listed["layers"]:
        query = {"run": "run", "layer": layer["name"]}
        for flow in layer["flows"]:
            expected = written["rnn_tutorial"][f"rnn/{layer['name']}/{kinds[flow]}"]
            header, (table,) = get(client, "flow", kind=flow, **query)
            assert (header["last"], header["left_out"], header["masked"]) == ([0, 1, 2, 3], 0, [9])
            np.testing.assert_array_equal(table, np.stack([expected[epoch] for epoch in range(4)]))
            header, (curve,) = get(client, "curve", kind=flow, epoch=2, **query)
            np.testing.assert_array_equal(curve, expected[2])
        for kind in layer["frames"]:
            assert get(client, "frames", kind=kind, **query) == {"epochs": [0, 1, 2, 3]}
            header, (values,) = get(client, "frame", kind=kind, epoch=3, **query)
            assert values.shape == (len(header["names"]), layer["units"], 10)
            assert header["masked"] == [7, 8, 9]
            ranges = [[-1, 1] if name == "candidate" else [0, 1] for name in header["names"]]
            assert header["ranges"] == (ranges if kind == "gates" else [None] * len(header["names"]))
        gates = get(client, "saturation", **query)["gates"]
        beginning = f"saturation/{layer['name']}/"
        shares = {tag: points for tag, points in written["scalars"].items() if tag.startswith(beginning)}
        assert {beginning + gate: points for gate, points in gates.items()} == {
            tag: [[epoch, float(share)] for epoch, share in points.items()] for tag, points in shares.items()
        }
        assert len(gates) == {"lstm": 4, "reader": 3}[layer["name"]]
    found = get(client, "findings", run="run")
    assert found["note"] == ""
    assert [one["rule"] for one in found["findings"]] == [
        one.rule for one in diagnosis.diagnose(diagnosis.read(VERSION_1))
    ]
    close_board(client)


def test_a_run_that_went_on_with_a_later_version(tmp_path, load_fast):
    """One curve under both names; where both have an epoch, what was written last counts."""
    with recording.Run(tmp_path / "run") as run:
        for old, new in schema.RENAMED.items():
            flow_of(run, "lstm", [[epoch, epoch] for epoch in range(4)], {"masked": []}, old)
            for epoch in (2, 5):
                about = {**ABOUT, "v": schema.VERSION, "kind": new, "masked": []}
                values = np.full(2, 10.0 * epoch, "float32")
                run.tensor(schema.tag("lstm", new), values, epoch, schema.PLUGIN, json.dumps(about).encode())
    client = open_board(tmp_path, load_fast)
    wait_for(lambda: layers_of(client, "run").get("lstm", {}).get("last") == 5)
    assert layers_of(client, "run")["lstm"]["flows"] == ["immediate"]
    header, (table,) = get(client, "flow", run="run", layer="lstm", kind="immediate")
    assert header["last"] == [0, 1, 2, 3, 5]
    np.testing.assert_array_equal(table, np.repeat([[0], [1], [20], [3], [50]], 2, axis=1))
    close_board(client)


def test_while_a_run_is_written_and_after_it_is_gone(tmp_path, load_fast, record_layer):
    run = recording.Run(tmp_path / "growing")
    record_layer(run, epochs=range(2))
    client = open_board(tmp_path, load_fast)
    wait_for(lambda: layers_of(client, "growing"))

    def last():
        return get(client, "flow", run="growing", layer="lstm", kind="total")[0]["last"]

    wait_for(lambda: last() == [0, 1])
    record_layer(run, epochs=range(2, 4))
    wait_for(lambda: last() == [0, 1, 2, 3])
    run.close()
    shutil.rmtree(tmp_path / "growing")
    wait_for(lambda: not layers_of(client, "growing"))
    get(client, "flow", 404, run="growing", layer="lstm", kind="total")
    get(client, "findings", 404, run="growing")
    close_board(client)


ABOUT = {"v": 1, "layer": "lstm", "cell": "LSTM", "units": 4}
FLOW_ABOUT, STATES_ABOUT = (json.dumps({**ABOUT, "kind": kind}).encode() for kind in ("grad_flow", "states"))
FRAME_HEADER = {"shape": [1, 2, 3], "dtype": "float16", "names": ["hidden"], "stride": [1, 1, 1]}


def tensor(shape=(), dtype=types_pb2.DT_FLOAT, **content):
    message = tensor_pb2.TensorProto(dtype=dtype, **content)
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    return message


def parts(header, *more, shape=None):
    blobs = [header if isinstance(header, bytes) else json.dumps(FRAME_HEADER | header).encode(), bytes(12), *more]
    return tensor([len(blobs)] if shape is None else shape, types_pb2.DT_STRING, string_val=blobs)


def add(path, *values):
    """Add events with one value each, as they may stand in a damaged file: (tag, tensor, step, metadata)."""
    with open(path, "ab") as file:
        for tag, message, step, metadata in values:
            value = summary_pb2.Summary.Value(tag=tag, tensor=message)
            value.metadata.MergeFrom(metadata)
            event = event_pb2.Event(wall_time=1.0, step=step, summary=summary_pb2.Summary(value=[value]))
            record_writer.RecordWriter(file).write(event.SerializeToString())


def metadata(content, data_class, plugin_name="rnn_tutorial"):
    found = summary_pb2.SummaryMetadata(data_class=data_class)
    found.plugin_data.plugin_name, found.plugin_data.content = plugin_name, content
    return found


ONES = np.ones(5, "float32")
DAMAGED_FLOWS = {
    "a size below zero": tensor([-5], tensor_content=ONES.tobytes()),
    "too few": tensor([7], tensor_content=ONES.tobytes()),
    "a fill beyond all memory": tensor([10**15], float_val=[1.0]),
    "a fill of 80 MB": tensor([2 * 10**7], float_val=[1.0]),
    "70 axes": tensor([1] * 70, tensor_content=ONES[:1].tobytes()),
    "three axes": tensor([1, 5, 1], tensor_content=ONES.tobytes()),
    "no axis": tensor(tensor_content=ONES[:1].tobytes()),
    "strings": tensor([2], types_pb2.DT_STRING, string_val=[b"a", b"b"]),
    "complex": tensor([2], types_pb2.DT_COMPLEX64, tensor_content=np.ones(2, "complex64").tobytes()),
    "bool": tensor([2], types_pb2.DT_BOOL, tensor_content=b"\0\1"),
    "quantised": tensor([5], types_pb2.DT_QINT8, tensor_content=b"12345"),
    "a type of tomorrow": tensor([5], 99, tensor_content=ONES.tobytes()),
    "beyond float32": tensor([2], types_pb2.DT_DOUBLE, tensor_content=np.array([1e300, -1e300]).tobytes()),
}
DAMAGED_FRAMES = {
    "three parts": parts({}, b""),
    "one part": tensor([1], types_pb2.DT_STRING, string_val=[json.dumps(FRAME_HEADER).encode()]),
    "no part": tensor([0], types_pb2.DT_STRING),
    "so many that they fill the memory": parts({}, shape=[10**10]),
    "numbers": tensor([2], tensor_content=ONES[:2].tobytes()),
    "nested deep": parts(b"[" * 100_000),
    "infinity": parts(b'{"shape": [1e400, 2, 3], "dtype": "float16", "names": ["hidden"], "stride": [1, 1, 1]}'),
    "no object": parts(b"null"),
    "no UTF-8": parts(b"\xff\xfe\xfa"),
    "names": parts({"names": [1]}),
    "shape": parts({"shape": [1, -2, 3]}),
    "dtype": parts({"dtype": "O"}),
    "stride": parts({"stride": [1, 1, 10**30]}),
    "stride that is a number": parts({"stride": 3}),
    "no stride": parts({"stride": [1, 1, 0]}),
}
DAMAGED_METADATA = (b"", b"[" * 100_000, b"\xff\xfe\xfa", b"null", b'{"v": 1e400}', b'{"v": [1]}', b'{"v": true}')


def flow_of(run, layer, epochs, content=None, kind="grad_flow"):
    about = {"v": 1, "kind": kind, "layer": layer, "cell": "LSTM", "units": 4, **(content or {})}
    for epoch, values in enumerate(epochs):
        array = np.asarray(values, "float32")
        run.tensor(f"rnn/{layer}/{kind}", array, epoch, "rnn_tutorial", json.dumps(about).encode())


LAYERS = ["zeta", *(f"lstm_{number}" if number else "lstm" for number in range(12)), "decoder/gru", "alpha"]


def test_layers_in_the_order_of_the_model(tmp_path, load_fast):
    """As it is recorded, also where the tags are written in another one; else that in which they were written."""
    for name, order in (("recorded", LAYERS[::-1]), ("before", LAYERS)):
        with recording.Run(tmp_path / name) as run:
            for layer in order:
                flow_of(run, layer, [ONES], {"place": LAYERS.index(layer)} if name == "recorded" else {})
    with recording.Run(tmp_path / "uses") as run:  # one layer, which reads several sequences
        for layer in ("gru/use_10", "gru/use_2", "gru"):
            flow_of(run, layer, [ONES], {"place": 0})
    client = open_board(tmp_path, load_fast)
    wait_for(lambda: all(len(layers_of(client, name)) == len(LAYERS) for name in ("recorded", "before")))
    wait_for(lambda: len(layers_of(client, "uses")) == 3)
    assert list(layers_of(client, "recorded")) == list(layers_of(client, "before")) == LAYERS
    assert list(layers_of(client, "uses")) == ["gru", "gru/use_2", "gru/use_10"]
    close_board(client)


def test_layers_of_a_real_model_in_its_order(tmp_path, load_fast):
    """Of several callbacks, one of which looks less often, with nested and wrapped layers."""
    import keras

    from rnn_tutorial import callbacks

    layers = keras.layers
    inner = keras.Sequential([keras.Input((3, 2)), layers.GRU(2, name="b", return_sequences=True)], name="a_model")
    stack = [layers.LSTM(2, name=f"z_{number}", return_sequences=True) for number in (10, 9)]
    both = layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True), name="both")
    model = keras.Sequential([keras.Input((3, 2)), *stack, inner, both, layers.GRU(1, name="a")])
    model.compile("sgd", "mse")
    probe = np.ones((2, 3, 2), "float32"), np.ones((2, 1), "float32")
    folder = tmp_path / "run"
    watching = [callbacks.StateHeatmaps(folder, probe, every=2), callbacks.GradientFlow(folder, probe)]
    model.fit(*probe, epochs=3, verbose=0, callbacks=watching)
    client = open_board(tmp_path, load_fast)
    expected = ["z_10", "z_9", "a_model/b", "both/forward", "both/backward", "a"]
    wait_for(lambda: len(layers_of(client, "run")) == len(expected))
    assert list(layers_of(client, "run")) == expected
    close_board(client)


def test_a_cell_that_declares_itself(tmp_path, load_fast, monkeypatch):
    """Its own names for its gates, and what they run between."""
    import keras
    from test_cells import MGUCell, mgu_gates

    from rnn_tutorial import callbacks, inspection
    from rnn_tutorial.inspection.recurrent import cells

    def gates(cell, x, states):
        found = mgu_gates(cell, x, states)
        return {"write": found["candidate"], "erase": found["forget"], "add": found["forget"]}

    monkeypatch.setattr(cells, "_declared", cells.declarations())
    inspection.register_cell(
        MGUCell,
        gates=["write", "erase", "add"],
        compute_gates=gates,
        ranges=lambda cell: {"erase": (0, 1), "write": tuple(np.float32([-1, 1])), "hidden": (0, np.inf)},
        name="mgu",
    )
    model = keras.Sequential([keras.Input((3, 2)), keras.layers.RNN(MGUCell(2))])
    model.compile("sgd", "mse")
    probe = np.ones((2, 3, 2), "float32"), np.ones((2, 2), "float32")
    model.fit(*probe, epochs=2, verbose=0, callbacks=[callbacks.StateHeatmaps(tmp_path / "run", probe, pictures=False)])
    client = open_board(tmp_path, load_fast)
    query = {"run": "run", "layer": "rnn"}
    wait_for(lambda: layers_of(client, "run").get("rnn", {}).get("last") == 1)
    wait_for(lambda: len(get(client, "saturation", **query)["gates"]) == 3)
    assert list(get(client, "saturation", **query)["gates"]) == ["hidden", "write", "erase"]
    header, _ = get(client, "frame", kind="gates", epoch=1, **query)
    assert (header["names"], header["ranges"]) == (["write", "erase", "add"], [[-1, 1], [0, 1], None])
    header, _ = get(client, "frame", kind="states", epoch=1, **query)
    assert (header["names"], header["ranges"]) == (["hidden"], [None])  # JSON has no infinity
    close_board(client)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (None, [[0, 1], None]),
        ([[0, 1.5], [-2, 0]], [[0, 1.5], [-2, 0]]),
        ([None, [0, 1]], [None, [0, 1]]),
        ([[0, 1]], [None, None]),
        ({"forget": [0, 1]}, [None, None]),
        ([[0, np.inf], [np.nan, 1]], [None, None]),
        ([[0, 10**400], [1, 0]], [None, None]),
        ([["0", "1"], [False, True]], [None, None]),
        (["01", [0, 1, 2]], [None, None]),
    ],
)
def test_ranges_of_a_frame(recorded, expected):
    header = {"names": ["forget", "another"], **({} if recorded is None else {"ranges": recorded})}
    assert reading._ranges(header) == expected


def test_runs_in_the_order_of_their_names(tmp_path, load_fast):
    names = [
        "a/run",
        "a/run_2",
        "a/run_10",
        "a-b",
        "run",
        "run/deep",
        "Run 3",
        "run_2",
        "run_02b",
        "run_10",
        "run_10_2",
    ]
    for name in reversed(names):
        with recording.Run(tmp_path / name) as run:
            flow_of(run, "lstm", [ONES])
    client = open_board(tmp_path, load_fast)
    wait_for(lambda: len(get(client, "runs")["runs"]) == len(names))
    listed = get(client, "runs")["runs"]
    assert [run["name"] for run in listed] == names
    order = client.get("/data/runs").json
    assert [order[run["number"]] for run in listed] == names  # colours stay those of TensorBoard
    close_board(client)


def test_what_is_masked_and_what_is_nan(tmp_path, load_fast):
    nan = np.nan
    rows = [[nan, nan, 1, 2], [nan, nan, nan, nan], [nan, nan, 3, nan, 5]]
    for name, content in (("recorded", {"masked": [[0, 0]]}), ("before", {}), ("damaged", {"masked": [[0, "x"]]})):
        with recording.Run(tmp_path / name) as run:
            flow_of(run, "lstm", rows, content)
            flow_of(run, "sick", [[nan] * 4] * 2, content)
            about = {"v": 1, "kind": "states", "layer": "lstm", "cell": "LSTM", "units": 2, **content}
            values = np.array([[[nan, nan, 1, 2], [nan, nan, 1, nan]]], "<f2")
            header = {"shape": [1, 2, 4], "dtype": "float16", "names": ["hidden"], "stride": [1, 1, 1]}
            blobs = [json.dumps(header).encode(), values.tobytes()]
            run.blobs("rnn/lstm/states", blobs, 0, "rnn_tutorial", json.dumps(about).encode())
    client = open_board(tmp_path, load_fast)
    for name, masked in (("recorded", [0]), ("before", [0, 1]), ("damaged", [0, 1])):
        wait_for(lambda name=name: layers_of(client, name).get("lstm", {}).get("frames"))
        wait_for(lambda name=name: layers_of(client, name).get("sick", {}).get("last") == 1)
        header, (table,) = get(client, "flow", run=name, layer="lstm", kind="total")
        assert (header["masked"], header["lengths"]) == (masked, [4, 4, 5])
        assert table.shape == (3, 5)
        header, _ = get(client, "flow", run=name, layer="lstm", kind="total", rows=2, columns=2)
        assert (header["times"], header["lengths"]) == ([0, 2, 5], [4, 5])
        assert header["masked"] == ([0] if len(masked) == 2 else [])  # only bins that are masked as a whole
        header, (curve,) = get(client, "curve", run=name, layer="lstm", kind="total", epoch=0)
        assert header == {"epoch": 0, "masked": masked, "arrays": header["arrays"]}
        np.testing.assert_array_equal(curve, np.array(rows[0], "float32"))
        header, _ = get(client, "frame", run=name, layer="lstm", kind="states", epoch=0)
        assert header["masked"] == masked
        header, _ = get(client, "flow", run=name, layer="sick", kind="total")
        assert header["masked"] == ([0] if name == "recorded" else [])  # a network that is NaN is not masked
    close_board(client)


def test_whatever_is_damaged_is_left_out_or_told(tmp_path, load_fast):
    """Never is it the server that fails; TensorBoard's loaders differ in what they hand over."""
    for name, message in {**DAMAGED_FLOWS, **DAMAGED_FRAMES}.items():
        with recording.Run(tmp_path / name) as run:
            run.tensor("rnn/lstm/grad_flow", ONES, 0, "rnn_tutorial", FLOW_ABOUT)
            run.blobs("rnn/lstm/states", [*parts({}).string_val], 0, "rnn_tutorial", STATES_ABOUT)
        if name in DAMAGED_FLOWS:
            about = metadata(FLOW_ABOUT, summary_pb2.DATA_CLASS_TENSOR)
            add(run.path, ("rnn/lstm/grad_flow", message, 1, about))
            about = metadata(b"", summary_pb2.DATA_CLASS_SCALAR, "scalars")
            add(run.path, ("saturation/lstm/input", message, 1, about))
        else:
            about = metadata(STATES_ABOUT, summary_pb2.DATA_CLASS_BLOB_SEQUENCE)
            add(run.path, ("rnn/lstm/states", message, 1, about))
    for number, content in enumerate(DAMAGED_METADATA):
        with recording.Run(tmp_path / f"metadata {number}") as run:
            run.tensor("rnn/lstm/grad_flow", ONES, 0, "rnn_tutorial", content)
    names = {path.name for path in tmp_path.iterdir()}
    client = open_board(tmp_path, load_fast)
    wait_for(lambda: {run["name"] for run in get(client, "runs")["runs"] if run["layers"]} == names)
    for number in range(len(DAMAGED_METADATA)):
        assert "it says nothing" in layers_of(client, f"metadata {number}")["lstm"]["problem"]
    codes = {}
    questions = [("flow", {"kind": "total"}), ("curve", {"kind": "total", "epoch": 1}), ("frames", {"kind": "states"})]
    questions += [("frame", {"kind": "states", "epoch": epoch}) for epoch in (0, 1)]
    for name in names:
        for route, query in (*questions, ("saturation", {}), ("findings", {})):
            answer = client.get(f"{ROUTES}/{route}", query_string={"run": name, "layer": "lstm", **query})
            codes[name, route] = answer.status_code
            assert answer.status_code in (200, 400, 404), (name, route, answer.get_data(as_text=True))
            assert answer.status_code != 400 or "damaged" in answer.get_data(as_text=True)
    assert codes["three axes", "flow"] == codes["strings", "flow"] == codes["beyond float32", "flow"] == 200
    assert codes["too few", "flow"] == codes["a fill beyond all memory", "flow"] == 400
    header, (table,) = get(client, "flow", run="three axes", layer="lstm", kind="total")
    assert (header["last"], header["left_out"]) == ([0], 1)
    np.testing.assert_array_equal(table, [ONES])
    header, (table,) = get(client, "flow", run="beyond float32", layer="lstm", kind="total")
    assert (header["last"], header["left_out"]) == ([0, 1], 0)
    np.testing.assert_array_equal(table[1, :2], [np.inf, -np.inf])
    assert {code for (_, route), code in codes.items() if route == "findings"} == {200}
    close_board(client)


def test_findings_of_a_folder_whose_files_come_and_go(tmp_path, record_layer, monkeypatch):
    with recording.Run(tmp_path / "run") as run:
        record_layer(run)
    client = open_board(tmp_path, "false")
    wait_for(lambda: "lstm" in layers_of(client, "run"))
    (tmp_path / "run" / "old.tfevents").symlink_to(tmp_path / "nowhere")
    (tmp_path / "run" / "tfevents_old").mkdir()
    expected = diagnosis.diagnose(diagnosis.read(tmp_path / "run"))
    found = get(client, "findings", run="run")
    assert found["note"] == ""
    assert [one["rule"] for one in found["findings"]] == [one.rule for one in expected]


def test_a_tag_that_is_known_before_its_data(logs, monkeypatch):
    """The plain Python loader fills its tables one after the other, while it is asked."""
    client = open_board(logs, "false")
    wait_for(lambda: "lstm" in layers_of(client, "healthy"))
    with monkeypatch.context() as patch:

        def too_early(self, tag):
            raise KeyError(tag)

        patch.setattr(plugin_event_accumulator.EventAccumulator, "Tensors", too_early)
        assert layers_of(client, "healthy") == {}
        get(client, "flow", code=404, run="newer", layer="lstm", kind="total")
    assert "lstm" in layers_of(client, "healthy")


def test_all_epochs_are_kept_unless_the_user_says_otherwise(tmp_path, load_fast, record_layer):
    with recording.Run(tmp_path / "long") as run:
        record_layer(run, epochs=range(300), time=3, frames=False)
    for options, kept in (((), 300), (("--samples_per_plugin", "rnn_tutorial=20"), 20)):
        client = open_board(tmp_path, load_fast, *options)
        wait_for(lambda client=client: layers_of(client, "long").get("lstm", {}).get("last") == 299)
        header, _ = get(client, "flow", run="long", layer="lstm", kind="total")
        assert header["epochs"] == kept
        assert header["last"][-1] == 299
        close_board(client)


def test_the_address_that_is_printed_is_that_of_the_tab():
    assert schema.tab_address() == f"http://localhost:{core_plugin.DEFAULT_PORT}/#{board.NAME}"
    assert schema.tab_address("127.0.0.1", 7000) == f"http://127.0.0.1:7000/#{board.NAME}"


def test_under_a_path_prefix(logs):
    client = open_board(logs, "false", "--path_prefix", "/below/here")
    assert client.get(f"/below/here{ROUTES}/static/index.js").status_code == 200
    assert client.get(f"{ROUTES}/static/index.js").status_code == 404


def test_matrix_of_curves():
    curves = [np.ones(2), np.full(3, 2.0), np.full(2, 3.0), np.array(["a"])]
    epochs, table, left_out = arrays.matrix([5, 1, 5, 2], curves)
    assert epochs.tolist() == [1, 5]
    np.testing.assert_array_equal(table, [[2, 2, 2], [3, 3, np.nan]])  # of two at one epoch the later
    assert left_out == 1
    epochs, table, left_out = arrays.matrix([-1, 0, 1], [np.ones(2), np.ones(arrays.LONGEST + 1), np.ones(2)])
    assert (epochs.tolist(), table.tolist(), left_out) == ([1], [[1, 1]], 2)
    epochs, table, left_out = arrays.matrix([], [])
    assert (epochs.shape, table.shape, left_out) == ((0,), (0, 0), 0)


def test_thin_against_a_loop():
    numbers = np.random.default_rng(0)
    table = numbers.lognormal(size=(37, 23)).astype("float32")
    table[numbers.random(table.shape) < 0.3] = np.nan
    table[5:9, 4:9] = np.nan
    table[20, 3], table[30:33, 20:] = np.inf, np.inf
    low, high, mean = arrays.thin(table, 9, 5)
    rows, columns = arrays.edges(37, 9), arrays.edges(23, 5)
    assert low.shape == high.shape == mean.shape == (9, 5)
    for i in range(9):
        for j in range(5):
            part = table[rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            known, finite = part[~np.isnan(part)], part[np.isfinite(part)]
            assert len(known), "the example has numbers everywhere"
            assert (low[i, j], high[i, j]) == (known.min(), known.max())
            assert mean[i, j] == (pytest.approx(finite.mean(), rel=1e-6) if len(finite) else np.inf)
    assert np.isnan(arrays.thin(np.full((4, 4), np.nan, "float32"), 2, 2)).all()
    assert [part.shape for part in arrays.thin(np.zeros((0, 0), "float32"), 2, 2)] == [(0, 0)] * 3


@pytest.mark.parametrize(("count", "bins"), [(0, 3), (1, 3), (3, 3), (10, 3), (1001, 512)])
def test_bins_are_even_and_leave_nothing_out(count, bins):
    found = arrays.edges(count, bins)
    sizes = np.diff(found)
    assert (found[0], found[-1]) == (0, count)
    assert len(sizes) == min(count, bins)
    assert count == 0 or sizes.max() - sizes.min() <= 1


def test_bytes_keep_what_json_cannot_say():
    half = np.array([[np.nan, -np.inf, 0.1]], "float16")
    single = np.array([np.inf, 1e-45], ">f4")
    header, (first, second) = unpack(arrays.pack({"title": "ü"}, half, single))
    assert header["title"] == "ü"
    np.testing.assert_array_equal(first, half)
    np.testing.assert_array_equal(second, single)
    assert all(about["offset"] % 4 == 0 for about in header["arrays"])


def test_tensorboard_starts_without_anything_heavy(run_python):
    printed = run_python(
        """
        import sys
        import tensorboard.plugins.base_plugin
        before = set(sys.modules)
        from rnn_tutorial import board
        print(*sorted(name for name in set(sys.modules) - before if "typing" not in name and name != "collections.abc"))
        from rnn_tutorial.board import plugin
        print(*[name for name in ("keras", "tensorflow", "jax", "pandas", "matplotlib") if name in sys.modules])
        """
    )
    at_start, with_the_tab = printed.split("\n")[:2]
    assert set(at_start.split()) == {
        "rnn_tutorial",
        "rnn_tutorial._lazy",
        "rnn_tutorial.board",
        "rnn_tutorial.recording",
        "rnn_tutorial.recording.schema",
    }
    assert with_the_tab == ""
