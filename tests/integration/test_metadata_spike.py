"""Look-ups and descriptions by the hundred, tried again when refused, while items are served: nobody's request fails.

`./dev faults --metadata-spike` holds the numbers against ten times the usual ones.
"""

from tests.faults import metadata_spike

SECONDS = 6


def test_a_spike_of_look_ups_fails_nobody(fleet):
    result = metadata_spike.run(fleet, fleet.create_tenant("spike"), seed=3, seconds=SECONDS, say=print)
    print(result.summary())
    assert result.failed == []
    assert result.is_unharmed, result.summary()
    assert result.describes > result.usual_describes and result.keys > result.usual_keys
    assert result.report.acknowledged > 100
