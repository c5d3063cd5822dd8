"""The stream every implementation of the workload must draw from."""

from hapta.workload.prng import SplitMix64, cumulative, zipf


def test_the_first_outputs_are_those_of_the_reference() -> None:
    random = SplitMix64(20250718)
    assert [random.next_u64() for _ in range(3)] == [
        0xB57E867191A4F0FB,
        0x93E9546DDFD820B9,
        0x7F3C174AFC111F16,
    ]


def test_uniform_takes_the_upper_53_bits() -> None:
    assert SplitMix64(20250718).uniform() == (0xB57E867191A4F0FB >> 11) / 2**53


def test_a_pick_falls_into_the_interval_of_its_weight() -> None:
    class Fixed(SplitMix64):
        value = 0.0

        def uniform(self) -> float:
            return self.value

    random, weights = Fixed(0), cumulative([1.0, 2.0, 1.0])
    picked = []
    for random.value in (0.0, 0.2499, 0.25, 0.7499, 0.75, 1.0):
        picked.append(random.pick(weights))
    assert picked == [0, 0, 1, 1, 2, 2]


def test_a_permutation_holds_every_number_once() -> None:
    order = SplitMix64(1).permutation(100)
    assert sorted(order) == list(range(100))
    assert order != list(range(100))


def test_zipf_weights_fall_with_the_rank() -> None:
    assert zipf(3, 1.0) == [1.0, 1.5, 1.5 + 1 / 3]
