"""Facts that exist in processes which cannot share code: all of them agree.

The functions, the CDK app and the stand-in do not import each other. The service's own facts come from
botocore's model.
"""

from botocore import xform_name
from botocore.session import Session

from jobledger import jobs
from jobledger.api.routes import ROUTES
from jobledger.sync import upstream
from local.comprehend_medical import families as local
from stacks import regions, setting_readers

MODEL = Session().get_service_model("comprehendmedical")


def test_all_processes_have_the_same_families():
    assert list(jobs.Family) == list(setting_readers.FAMILIES) == list(local.Family)


def test_all_processes_have_the_statuses_of_the_service_model():
    assert list(jobs.JobStatus) == list(setting_readers.STATUSES)
    assert set(jobs.JobStatus) == set(MODEL.shape_for("JobStatus").enum)


def test_the_functions_know_all_properties_of_the_service_model():
    job = MODEL.shape_for("ComprehendMedicalAsyncJobProperties")
    assert set(jobs.PROPERTIES) == set(job.members)


def test_the_role_allows_the_operations_that_the_sync_calls():
    from stacks import sync

    allowed = {
        family: (f"List{name}Jobs", f"Describe{name}Job")
        for family, name in zip(setting_readers.FAMILIES, sync._OPERATIONS, strict=True)
    }
    called = {
        family: tuple(
            next(name for name in MODEL.operation_names if xform_name(name) == method)
            for method in methods
        )
        for family, methods in upstream._OPERATIONS.items()
    }
    assert called == allowed


def test_the_stand_in_has_the_operations_that_the_sync_calls():
    offered = {xform_name(name) for name in local.OPERATIONS}
    assert {name for names in upstream._OPERATIONS.values() for name in names} <= offered


def test_api_gateway_has_the_routes_that_the_function_answers():
    from stacks import api

    assert {f"/{route}" for route in api.ROUTES} - {"/{proxy+}"} == set(ROUTES)


def test_the_regions_are_those_of_the_endpoints():
    session = Session()
    known = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("comprehendmedical", partition)
    }
    assert set(regions.REGIONS) == known


def test_only_a_known_region_without_the_service_is_a_problem():
    assert [regions.region_problem(each) for each in (None, "eu-west-1", "us-gov-west-1")] == [
        None,
        None,
        None,
    ]
    assert "eu-central-1 has no" in (regions.region_problem("eu-central-1") or "")
