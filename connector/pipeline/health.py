"""What an operator asks of a flow: does it deliver, and if not, why. Pure."""

from collections.abc import Mapping

from connector.domain.record import Partition
from connector.pipeline.dead_letter import Letters
from connector.pipeline.desk import Desk
from connector.pipeline.schema_wait import SchemaWait


def trouble(
    desk: Desk, letters: Letters, schemas: SchemaWait, out_of_range: Mapping[Partition, int]
) -> Mapping[str, str]:
    """Return the checks that fail, each with what to do or what is waited for."""
    found: dict[str, str] = {}
    for gate in desk.gates.values():
        circuit = gate.circuit
        if circuit.halted:
            found["vendor"] = f"refuses our set-up ({circuit.reason}); mend the credentials or the address"
        elif circuit.state != "closed":
            found["vendor"] = f"does not answer ({desk.last_error}); probing"
    if schemas.changed:
        found["registry"] = schemas.changed
    elif schemas.failing:
        found["registry"] = f"cannot be asked: {schemas.failing}"
    if letters.guard.tripped:
        found["guard"] = "most records are refused; mend them or the settings and restart, or set CONNECTOR_GUARD=off"
    if letters.failing:
        found["dead_letters"] = f"cannot be written: {letters.failing}"
    if out_of_range:
        stuck = ", ".join(f"{partition} at {offset}" for partition, offset in sorted(out_of_range.items()))
        found["partitions"] = f"committed offset not in the log: {stuck}; set CONNECTOR_ON_OUT_OF_RANGE"
    return found
