"""Facts that exist in processes which cannot share code: all of them agree.

The client and the stand-in do not import the functions. The service's own facts come from botocore's model.
"""

from typing import get_args

import pytest
from botocore import xform_name
from botocore.session import Session

from job_ledger import comprehend_medical, types
from jobledger import service
from jobledger.api.methods import ROUTES
from local.comprehend_medical import families as local
from stacks import regions

MODEL = Session().get_service_model("comprehendmedical")


def test_the_client_and_the_stand_in_have_the_families_and_nouns_of_the_service():
    assert [*service.Family, "ALL"] == list(get_args(types.Family))
    for nouns in (local.NOUNS, comprehend_medical.NOUNS):
        assert [f"{family}" for family in nouns] == [family.value for family in service.Family]
        names = [f"Describe{noun}" for noun in nouns.values()]
        assert names == [service.operations([family])[1] for family in service.Family]


def test_the_statuses_and_properties_are_those_of_the_service_model():
    job = MODEL.shape_for("ComprehendMedicalAsyncJobProperties")
    assert set(service.JobStatus) == set(MODEL.shape_for("JobStatus").enum)
    assert set(service.PROPERTIES) == set(job.members)
    assert list(service.JobStatus) == list(get_args(types.JobStatus))


@pytest.mark.parametrize("family", service.Family)
def test_the_operations_have_botocores_names(family):
    listed, described = service.operations([family])
    assert {listed, described} <= set(MODEL.operation_names)
    assert service.list_method(family) == xform_name(listed)
    assert service.describe_method(family) == xform_name(described)
    assert service.describe_command(family) == xform_name(described, "-")


def test_api_gateway_has_the_routes_that_the_function_answers():
    from stacks import api

    assert {f"/{route}" for route in api.ROUTES} - {"/{proxy+}"} == set(ROUTES)


def test_the_regions_are_those_of_the_endpoints_and_others_are_refused():
    session = Session()
    known = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("comprehendmedical", partition)
    }
    assert set(regions.REGIONS) == known
    assert not any(map(regions.region_problem, (None, "eu-west-1", "us-gov-west-1")))
    assert "eu-central-1 has no" in (regions.region_problem("eu-central-1") or "")
