"""Stand-ins for what lies outside: vendors as one local server that checks what it is sent, and events to send them.

To add a vendor:

1. `connector/sandbox/<name>.py` with a class that is a `Vendor` (`vendor.py`): routes, refusals, and its settings.
2. A route is a function `Call -> Answer`, pure: it checks the request as the vendor's sheet says and names every item
   it took or turned down. `segment.py` is the shortest example.
3. It asks `call.bad(id)` of every item and refuses those as this vendor refuses an item; other faults are the frame's.
4. One line in `VENDORS` (`vendors.py`); the server, the command line and the demo find it there.
5. `tests/unit/sandbox/test_<name>.py`: a call and its answer, two values, with the expectation from the sheet.
"""
