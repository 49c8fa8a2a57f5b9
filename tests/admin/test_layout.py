"""Where components stand in the picture."""

from hypothesis import given
from hypothesis import strategies as st

from alloytrio.admin.layout import Passage, arrange
from alloytrio.admin.view import EdgeView


def test_columns_from_left_to_right() -> None:
    """Each component stands one column behind the last of those before it."""
    edges = [
        EdgeView("receiver", "batch", "traces"),
        EdgeView("receiver", "recorder", "traces"),
        EdgeView("batch", "tempo", "traces"),
        EdgeView("batch", "convert", "metrics"),
        EdgeView("convert", "write", "samples"),
        EdgeView("receiver", "write", "samples"),
    ]
    names = ["write", "receiver", "batch", "tempo", "convert", "recorder"]
    (pipeline,) = arrange(names, edges)
    assert pipeline.columns == [["receiver"], ["batch", "recorder"], ["tempo", "convert"], ["write"]]
    assert pipeline.name == "traces, metrics"


def test_edges_over_a_column_have_a_passage() -> None:
    """Between components and not through them, in each column that they go over, beside what they come from."""
    edges = [
        EdgeView("receiver", "convert", "metrics"),
        EdgeView("receiver", "recorder", "traces"),
        EdgeView("receiver", "recorder", "logs"),
        EdgeView("convert", "recorder", "samples"),
        EdgeView("docker", "source", "targets"),
        EdgeView("source", "process", "entries"),
        EdgeView("process", "recorder", "entries"),
    ]
    names = ["receiver", "convert", "recorder", "docker", "source", "process"]
    (pipeline,) = arrange(names, edges)
    assert pipeline.columns == [["receiver", "docker"], ["convert", "source"], ["process"], ["recorder"]]
    first, second = ([each for each in column if isinstance(each, Passage)] for column in pipeline.places[1:3])
    assert first == [Passage("receiver", "recorder", 1)]
    assert {each.source_id for each in second} == {"receiver", "convert"}
    assert pipeline.places[1].index(first[0]) < pipeline.places[1].index("source")
    assert pipeline.places[2][-1] == "process"


def test_pipelines_are_apart() -> None:
    """What is not connected is a pipeline of its own, in the order of the configuration."""
    edges = [EdgeView("source", "write", "entries")]
    assert [(each.name, each.columns) for each in arrange(["alone", "source", "write"], edges)] == [
        ("", [["alone"]]),
        ("logs", [["source"], ["write"]]),
    ]


def test_order_avoids_crossings() -> None:
    """Two parallel ways stay parallel, however they are written down."""
    edges = [
        EdgeView("a", "c", "traces"),
        EdgeView("b", "d", "traces"),
        EdgeView("c", "e", "traces"),
        EdgeView("d", "e", "traces"),
    ]
    (pipeline,) = arrange(["a", "b", "d", "c", "e"], edges)
    first, second = pipeline.columns[:2]
    assert [{"a": "c", "b": "d"}[each] for each in first] == second


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25))
def test_any_graph_is_drawn_whole(pairs: set[tuple[int, int]]) -> None:
    """Every component stands somewhere, once; without cycles every edge goes to the right."""
    names = [str(number) for number in range(10)]
    forward = [EdgeView(str(one), str(two), "traces") for one, two in pairs if one < two]
    place = {}
    for index, pipeline in enumerate(arrange(names, forward)):
        for column, members in enumerate(pipeline.columns):
            for each in members:
                assert each not in place
                place[each] = (index, column)
    assert sorted(place) == sorted(names)
    for edge in forward:
        assert place[edge.source_id][0] == place[edge.target_id][0]
        assert place[edge.source_id][1] < place[edge.target_id][1]
    whole = arrange(names, [EdgeView(str(one), str(two), "traces") for one, two in pairs])
    assert sorted(each for pipeline in whole for column in pipeline.columns for each in column) == sorted(names)


def test_what_comes_from_one_component_stands_together() -> None:
    """Of six teams each has its exporters beside each other, in the order of the teams, though only some go on."""
    edges, names = [], ["receiver"]
    for team in range(6):
        names += [f"batch{team}", f"a{team}", f"b{team}", f"convert{team}", f"write{team}"]
        edges.append(EdgeView("receiver", f"batch{team}", "traces"))
        edges += [EdgeView(f"batch{team}", f"{each}{team}", "traces") for each in ("a", "b", "convert")]
        edges.append(EdgeView(f"convert{team}", f"write{team}", "samples"))
    (pipeline,) = arrange(names, edges)
    assert [each[-1] for each in pipeline.columns[2]] == [str(team) for team in range(6) for _ in range(3)]
    assert pipeline.columns[3] == [f"write{team}" for team in range(6)]
