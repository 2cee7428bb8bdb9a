using System.Text;

namespace ConcertSaga.Benchmarks.Report;

/// <summary>An aligned Markdown table. The first column has text, the others figures.</summary>
internal sealed class Table(params string[] columns)
{
    private readonly List<string[]> _rows = [];

    public void Add(params string[] cells) => _rows.Add(cells);

    public override string ToString()
    {
        var widths = columns.Select((column, place) => _rows.Select(row => row[place].Length).Append(column.Length).Append(3).Max())
            .ToArray();
        var text = new StringBuilder();
        Write(columns);
        text.Append('|')
            .AppendJoin('|', widths.Select((width, place) => place == 0 ? new string('-', width + 2) : new string('-', width + 1) + ":"))
            .AppendLine("|");
        _rows.ForEach(Write);
        return text.ToString();

        void Write(string[] cells) =>
            text.Append("| ")
                .AppendJoin(" | ", cells.Select((cell, place) => place == 0 ? cell.PadRight(widths[0]) : cell.PadLeft(widths[place])))
                .AppendLine(" |");
    }
}
