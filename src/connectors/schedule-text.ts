/** Parts of a Python `timedelta`, as Airflow serializes them. */
export interface DeltaParts {
  readonly days: number;
  readonly seconds: number;
  readonly microseconds: number;
}

const two = (value: number): string => String(value).padStart(2, "0");

/** `1 day, 0:02:00`, as Python's `str(timedelta)` and so Airflow 3's `timetable_summary` have it. */
export function deltaText({ days, seconds, microseconds }: DeltaParts): string {
  const clock = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  const fraction = microseconds === 0 ? "" : `.${String(microseconds).padStart(6, "0")}`;
  const day = days === 0 ? "" : `${days} day${Math.abs(days) === 1 ? "" : "s"}, `;
  return `${day}${clock}${fraction}`;
}
