"""`aggregator doctor`: what works, what is missing, and what to do about it.

`command` is asked for it, `upstreams` looks at what stands at each address, `examine` takes one refresh, `judgement`
and `inquiry` say what they show, in the words of `advice`; `report` is what was found and `text` how a person reads it.
"""
