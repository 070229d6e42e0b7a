"""The detector's errors by view: how far residuals are believed."""

import numpy as np
import pytest

from kincast.offline.view_bias import DEGREES_OF_FREEDOM, SECTORS, USUAL_PX, likely_errors


def expected_px(seen_px: float, precision: float) -> float:
    """Mean of the error's x given a look of that precision (1/px^2) at (seen_px, 0): quadrature over the plane."""
    nu, scale2 = DEGREES_OF_FREEDOM, USUAL_PX**2
    grid = np.linspace(-60.0, 60.0, 601)
    x, y = np.meshgrid(grid, grid)
    belief = -0.5 * (nu + 2) * np.log1p((x**2 + y**2) / (nu * scale2))
    belief -= 0.5 * precision * ((x - seen_px) ** 2 + y**2)
    density = np.exp(belief - belief.max())
    return float((density * x).sum() / density.sum())


def looked_at(seen_px: float, precision: float) -> tuple[np.ndarray, np.ndarray]:
    normal, right = np.zeros((1, SECTORS, SECTORS)), np.zeros((1, SECTORS, 2))
    normal[0, 2, 2] = precision
    right[0, 2, 0] = precision * seen_px
    return normal, right


@pytest.mark.parametrize("seen_px", [0.5, 2.0, 8.0, 20.0])
@pytest.mark.parametrize("precision", [0.2, 1.0])
def test_a_view_is_believed_as_its_posterior_says(seen_px, precision):
    found = likely_errors(*looked_at(seen_px, precision))[0]
    assert found[2, 0] == pytest.approx(expected_px(seen_px, precision), abs=0.15, rel=0.1)
    assert np.abs(found[2, 1]) < 1e-12


def test_a_gross_error_of_one_view_is_kept_and_small_ones_are_shrunk():
    def share(px: float) -> float:
        return likely_errors(*looked_at(px, 0.4))[0, 2, 0] / px

    assert share(20.0) > 0.9  # were it normal: 0.62
    assert share(1.0) < 0.6


def test_views_from_nowhere_have_no_error():
    found = likely_errors(*looked_at(5.0, 1.0))
    assert np.abs(np.delete(found[0], 2, axis=0)).max() < 1e-12
