"""The Kubernetes manifests of a rendered project: valid, complete and consistent with each other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

Manifest = dict[str, Any]


@pytest.fixture
def folder(project: Path) -> Path:
    return project / "deploy/kubernetes"


@pytest.fixture
def settings(folder: Path) -> dict[str, str]:
    (generated,) = read(folder / "kustomization.yaml")["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generated["literals"])


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def pods(folder: Path) -> Iterator[Manifest]:
    for name in ("deployment", "migration"):
        yield read(folder / f"{name}.yaml")["spec"]["template"]["spec"]


def test_manifests_follow_the_schemas_of_kubernetes(folder: Path) -> None:
    for path in folder.glob("*.yaml"):
        if path.name != "kustomization.yaml":
            kubernetes_validate.validate(read(path), "1.37", strict=True)


def test_kustomization_lists_every_manifest(folder: Path) -> None:
    listed = set(read(folder / "kustomization.yaml")["resources"])
    assert listed == {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}


def test_max_replicas_counts_the_pods_of_a_rolling_update_too(folder: Path, settings: dict[str, str]) -> None:
    surge = read(folder / "deployment.yaml")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    assert int(settings["MAX_REPLICAS"]) == read(folder / "autoscaler.yaml")["spec"]["maxReplicas"] + surge


def test_pods_have_time_to_finish_requests_in_progress(folder: Path, settings: dict[str, str]) -> None:
    pod = read(folder / "deployment.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    delay = int(settings["SHUTDOWN_DELAY"])

    assert delay + int(settings["SHUTDOWN_TIMEOUT"]) < pod["terminationGracePeriodSeconds"]
    assert container["readinessProbe"]["periodSeconds"] < delay


def test_only_the_job_may_migrate_as_another_role(folder: Path) -> None:
    secrets = [
        [source["secretRef"] for source in pod["containers"][0]["envFrom"] if "secretRef" in source]
        for pod in pods(folder)
    ]
    assert secrets == [[{"name": "app"}], [{"name": "app"}, {"name": "app-migration", "optional": True}]]


def test_pods_have_no_more_rights_than_they_need(folder: Path) -> None:
    for pod in pods(folder):
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }


def test_selectors_and_ports_match(folder: Path) -> None:
    template = read(folder / "deployment.yaml")["spec"]["template"]
    labels = template["metadata"]["labels"]
    ports = {port["name"] for container in template["spec"]["containers"] for port in container["ports"]}
    service = read(folder / "service.yaml")["spec"]
    (rule,) = read(folder / "ingress.yaml")["spec"]["rules"]

    assert service["selector"] == labels
    assert read(folder / "disruption-budget.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert {port["targetPort"] for port in service["ports"]} <= ports
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["ports"]}
