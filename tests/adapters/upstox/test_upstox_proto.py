"""The schema: the committed module is what protoc makes of it, and its wire is the official one's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as official

import mdactors_upstox
from mdactors_upstox import feed_pb2

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGE = Path(mdactors_upstox.__file__).parent
RAW = {"FeedsEntry.value", "LTPC.iep", "MarketOHLC.ohlc", "MarketFullFeed.marketLevel",
       "MarketFullFeed.optionGreeks", "FirstLevelWithGreeks.firstDepth",
       "FirstLevelWithGreeks.optionGreeks"}  # fmt: skip
RENAMED = {"Quote": "Rung"}


def test_the_committed_module_is_what_protoc_makes_of_the_schema(tmp_path):
    subprocess.run(
        [
            sys.executable, "-m", "grpc_tools.protoc",
            "--proto_path=mdactors_upstox/feed.proto=proto/upstox_feed.proto",
            f"--python_out={tmp_path}", f"--pyi_out={tmp_path}",
            "mdactors_upstox/feed.proto",
        ],
        cwd=REPOSITORY, check=True, timeout=60,
    )  # fmt: skip
    for name in ("feed_pb2.py", "feed_pb2.pyi"):
        made = (tmp_path / "mdactors_upstox" / name).read_bytes()
        assert made == (PACKAGE / name).read_bytes(), f"{name} is stale: run make proto"


def messages(module):
    found = {}
    for message in module.DESCRIPTOR.message_types_by_name.values():
        for each in (message, *message.nested_types):
            found[RENAMED.get(each.name, each.name)] = each
    return found


def test_every_field_of_the_official_schema_has_its_number_and_wire_type():
    ours, theirs = messages(feed_pb2), messages(official)
    assert ours.keys() == theirs.keys()
    for name, message in theirs.items():
        mine = ours[name]
        assert {f.name: f.number for f in mine.fields} == {f.name: f.number for f in message.fields}
        for field in message.fields:
            type_of_ours = mine.fields_by_name[field.name].type
            if f"{name}.{field.name}" in RAW:
                assert (field.type, type_of_ours) == (
                    FieldDescriptor.TYPE_MESSAGE,
                    FieldDescriptor.TYPE_BYTES,
                )
            else:
                assert type_of_ours == field.type, f"{name}.{field.name}"
    for number, official_name in enumerate(("initial_feed", "live_feed", "market_info")):
        assert feed_pb2.Type.Name(number) == official_name.upper()
    assert feed_pb2.MarketStatus.items() == official.MarketStatus.items()
    assert sorted(feed_pb2.RequestMode.values()) == sorted(official.RequestMode.values())


def test_both_schemas_live_in_one_process_under_their_own_names():
    assert feed_pb2.DESCRIPTOR.package == "mdactors.upstox"
    assert official.DESCRIPTOR.package != feed_pb2.DESCRIPTOR.package
