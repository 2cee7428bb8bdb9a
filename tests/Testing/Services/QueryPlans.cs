using System.Data.Common;
using System.Text.Json;
using System.Text.RegularExpressions;
using Npgsql;

namespace ConcertSaga.Testing.Services;

/// <summary>How a server would carry out a statement.</summary>
/// <param name="Indexes">The indexes it would use.</param>
/// <param name="Scans">The tables it would read from end to end.</param>
/// <param name="Text">All of it, for people.</param>
public sealed record QueryPlan(IReadOnlyList<string> Indexes, IReadOnlyList<string> Scans, string Text);

/// <summary>Asks PostgreSQL and SQLite for their plans.</summary>
public static partial class QueryPlans
{
    /// <summary>The plan of a statement with the parameters it was sent with.</summary>
    public static async Task<QueryPlan> OfAsync(DbConnection connection, SentStatement statement)
    {
        await using var command = statement.On(connection, connection is NpgsqlConnection ? "EXPLAIN (FORMAT JSON) " : "EXPLAIN QUERY PLAN ");
        var lines = new List<string>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            lines.Add(reader.GetString(reader.FieldCount - 1));
        var text = string.Join('\n', lines);
        return connection is NpgsqlConnection ? OfPostgreSql(text) : OfSqlite(text);
    }

    private static QueryPlan OfPostgreSql(string text)
    {
        var (indexes, scans) = (new List<string>(), new List<string>());
        using var plan = JsonDocument.Parse(text);
        Visit(plan.RootElement[0].GetProperty("Plan"));
        return new QueryPlan(indexes, scans, text);

        void Visit(JsonElement node)
        {
            if (node.TryGetProperty("Index Name", out var index))
                indexes.Add(index.GetString()!);
            if (node.GetProperty("Node Type").GetString() == "Seq Scan")
                scans.Add(node.GetProperty("Relation Name").GetString()!);
            if (node.TryGetProperty("Plans", out var below))
            {
                foreach (var one in below.EnumerateArray())
                    Visit(one);
            }
        }
    }

    // "SEARCH s USING INDEX IX_…" and "SEARCH s USING PRIMARY KEY", but "SCAN s" and "SCAN s USING INDEX …", which reads all of either.
    private static QueryPlan OfSqlite(string text) => new(
        [.. SqliteIndexes().Matches(text).Select(match => match.Groups[1].Value)], [.. SqliteScans().Matches(text).Select(match => match.Groups[1].Value)], text);

    [GeneratedRegex(@"^SEARCH .* USING (?:COVERING )?INDEX (\S+)", RegexOptions.Multiline)]
    private static partial Regex SqliteIndexes();

    [GeneratedRegex(@"^SCAN (\S+)", RegexOptions.Multiline)]
    private static partial Regex SqliteScans();
}
