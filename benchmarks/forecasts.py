"""How good the forecasts are: the network of `forecasting.train` beside two classics, on made-up and measured sales.

Run with `python benchmarks/forecasts.py`, or with --quick for one series a family. Twelve months ahead, rolling
origins; the MASE is scaled by each fold's own past. Beside it the seconds of a fit in the median, and the share of the
last twelve months that lie inside the 80% interval. The network was designed on other made-up series than these; the
two measured ones were looked at.
"""

import argparse

from rnn_tutorial import _console

_console.start_keras()

import numpy as np
import pandas as pd

from rnn_tutorial import data, forecasting

FAMILIES = {
    "additive": {},
    "multiplicative": {"multiplicative": True},
    "two outliers": {"outliers": 2},
    "level shift": {"shift": 0.3},
    "growing variance": {"noise_growth": 3.0},
}
SEEDS = (1001, 1002, 1003)
YEARS = {1001: 8, 1002: 10, 1003: 15}
FOLDS = 3
METHODS = ("lstm", "seasonal_naive", "exponential_smoothing")


def measured():
    """Two monthly series that come inside statsmodels, {name: pandas.Series}."""
    from statsmodels.datasets import co2, elec_equip

    air = co2.load_pandas().data["co2"].resample("MS").mean().interpolate()[-120:]
    orders = elec_equip.load_pandas().data.iloc[:, 0].astype(float)
    return {
        "CO2 at Mauna Loa, 10 years": pd.Series(air.to_numpy(), pd.period_range("2000-01", periods=120, freq="M")),
        "electrical equipment, EU": pd.Series(
            orders.to_numpy(), pd.period_range("2000-01", periods=len(orders), freq="M")
        ),
    }


def covered(values, practice):
    """The share of the last twelve months that lie inside the interval made of the months before."""
    past, actual = values.iloc[:-12], values.iloc[-12:]
    predicted = forecasting.forecast(forecasting.train(past, practice=practice), past, 12)
    lower, upper = forecasting.interval(past, predicted, practice=practice)
    return float(((lower <= actual) & (actual <= upper)).mean())


def main():
    """Run the backtests and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one series a family, and little practice")
    quick = parser.parse_args().quick
    practice = 4000 if quick else forecasting.PRACTICE
    network = forecasting.Network(practice=practice, seed=0)
    seeds = SEEDS[:1] if quick else SEEDS
    series = {
        (family, seed): data.sales.generate(years=YEARS[seed], seed=seed, **arguments)
        for family, arguments in FAMILIES.items()
        for seed in seeds
    }
    series |= {(name, 0): values for name, values in ({} if quick else measured()).items()}
    better, tables, everything = 0, {}, ([], [])
    print(f"{'mean MASE':28}" + "".join(f"{name:>23}" for name in METHODS) + f"{'seconds':>9}{'inside 80%':>12}")
    for family in dict.fromkeys(name for name, _ in series):
        found, seconds, inside = [], [], []
        for (name, _), values in series.items():
            if name != family:
                continue
            table = forecasting.backtest(values, folds=1 if quick else FOLDS, make_model={"lstm": network})
            mase = table.groupby("method")["mase"].mean()
            seconds += table["seconds"][table["method"] == "lstm"].tolist()
            better += mase["lstm"] < mase["seasonal_naive"]
            found.append(mase)
            inside.append(covered(values, practice))
        tables[family] = pd.DataFrame(found).mean()
        print(
            f"{family:28}"
            + "".join(f"{tables[family][name]:23.2f}" for name in METHODS)
            + f"{np.median(seconds):9.1f}{np.mean(inside):12.0%}",
            flush=True,
        )
        everything[0].extend(seconds)
        everything[1].extend(inside)
    means = {name: float(np.mean([table[name] for table in tables.values()])) for name in METHODS}
    seconds, inside = everything
    print(f"{'mean':28}" + "".join(f"{means[name]:23.2f}" for name in METHODS) + f"{'':9}{np.mean(inside):12.0%}")
    print(f"better than the seasonal naive forecast on {better} of {len(series)} series")
    print(f"a fit took {np.median(seconds):.1f} s in the median, {max(seconds):.1f} s at most, with practice")


if __name__ == "__main__":
    main()
