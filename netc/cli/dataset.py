"""Make ready databases of a known data set, one for training and one for testing.

  netc dataset digits FOLDER                1,797 handwritten digits that come with netc
  netc dataset digits FOLDER --labels 0-4   some of them, their labels numbered from 0
  netc dataset mnist FOLDER                 60,000 and 10,000 digits, fetched into the folder
  netc dataset fashion-mnist FOLDER         as many pictures of clothes
  netc dataset cifar10 FOLDER               50,000 and 10,000 photographs of 10 classes, a mean
  netc dataset cifar100 FOLDER              as many of 100 classes

With --from they are made of files that are there already: MNIST's idx files, plain or .gz; CIFAR's
binary files, or their archive.
"""

from __future__ import annotations

import argparse

from netc.errors import UsageError

FETCHED = ("mnist", "fashion-mnist", "cifar10", "cifar100")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=("digits", *FETCHED), help="which data set")
    parser.add_argument("folder", help="where its databases go")
    parser.add_argument("--labels", help="the labels to take, such as 0-4 or 1,3,7-9; of digits")
    parser.add_argument("--from", dest="source", default="", help="a folder with the files")
    parser.add_argument("--train", type=int, help="how many examples to train on (default: all)")
    parser.add_argument("--test", type=int, help="how many examples to test on (default: all)")


def run(args: argparse.Namespace) -> int:
    if args.name == "digits":
        from netc.data.digits import write_digits

        if args.source or args.train or args.test:
            raise UsageError("digits come with netc: --from, --train and --test are for the others")
        write_digits(args.folder, args.labels)
        return 0
    from netc.data.known import write_known

    if args.labels:
        raise UsageError(f"--labels is for digits, not for {args.name}")
    write_known(args.name, args.folder, args.source, args.train, args.test)
    return 0
