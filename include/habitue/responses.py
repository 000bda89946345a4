"""What everyone of a run bought in its response window, written to or held out, whatever was delivered and whatever
another message was credited with: intention to treat, from which the effect is measured.

Two forms of the same, one each time that a snapshot says something new of the run:

    response (table)                              a row for each side (treated, scope), group, channel and arm, with
                                                  customers, buyers, orders, sums and the sum of squares
    runs/<run>/responses/<snapshot>.parquet       a row for each customer, planned and held out

Nothing is rewritten: a figure that late returns restate stands there under both snapshots, and the last one counts.
"""
