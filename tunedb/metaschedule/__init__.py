"""Between the store and MetaSchedule: the only package of tunedb that imports TVM."""
