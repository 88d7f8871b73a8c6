// The tabs in their order: each a class with a title, an element, and show(part); open(view) for a new problem,
// fit(), recolor() and pictures(format) where it has what these touch.

const TABS = [Paths, ManyStarts, StepSizes, Compare, FitTable, Train];
