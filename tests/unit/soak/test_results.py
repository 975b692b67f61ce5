"""The document of a soak, and the parts that read other programs' figures."""

import datetime
import os

from soak.faults import counts_in
from soak.results import Verdict, document, percentile
from soak.watched import _is_local, descendants, foreign_connections, resident_mib

METRICS = """
# TYPE microburst_faults_total counter
microburst_faults_total{operation="ListA",action="error:X"} 3
microburst_faults_total{operation="ListB",action="error:X"} 4
microburst_faults_total{operation="ListB",action="reset"} 1
microburst_faults_total{operation="ListA",action="latency:1224ms"} 1
microburst_faults_total{operation="ListA",action="latency:533ms"} 2
microburst_rules_active 0
"""


def test_the_document_says_what_does_not_hold_and_why():
    verdicts = [Verdict("One", "3 jobs", []), Verdict("Two", "4 jobs", ["a job is lost"])]
    text = document(verdicts, {"calls": "5"}, 20.0, datetime.date(2026, 11, 25))
    assert "| One | yes | 3 jobs |" in text
    assert "| Two | **no** | 4 jobs |" in text
    assert "Two: a job is lost" in text
    assert "| calls | 5 |" in text
    assert "20 minutes under load" in text


def test_percentiles_are_values_that_occurred_and_faults_are_counted_by_what_they_did():
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.5, 0.99)] == [2.0, 3.0]
    assert percentile([], 0.5) == 0.0
    assert counts_in(METRICS) == {"error:X": 7, "reset": 1, "latency": 3}


def test_a_process_its_memory_and_its_connections_to_other_machines_are_found():
    assert descendants([os.getppid()])[os.getpid()] == os.getppid()
    assert resident_mib(os.getpid()) > 10
    assert foreign_connections([os.getpid()]) == 0
    local = ("0100007F", "00000000", "0" * 24 + "01000000", "0000000000000000FFFF00000100007F")
    assert all(_is_local(address) for address in local)
    assert not _is_local("08080808")
    assert not _is_local("B80D0120000000000000000001000000")
