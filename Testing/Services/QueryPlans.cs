using System.Data.Common;
using System.Text.Json;
using System.Text.RegularExpressions;
using Npgsql;

namespace ConcertSaga.Testing.Services;

/// <summary>A server's plan for a statement.</summary>
/// <param name="Indexes">The indexes that the plan uses.</param>
/// <param name="Scans">The tables that the plan scans in full.</param>
/// <param name="Text">The plan as text, for failure messages.</param>
public sealed record QueryPlan(IReadOnlyList<string> Indexes, IReadOnlyList<string> Scans, string Text);

/// <summary>Reads query plans from PostgreSQL and SQLite.</summary>
public static partial class QueryPlans
{
    /// <summary>Returns the plan of a statement with its recorded parameters.</summary>
    public static async Task<QueryPlan> OfAsync(DbConnection connection, SentStatement statement)
    {
        var explain = connection is NpgsqlConnection ? "EXPLAIN (FORMAT JSON) " : "EXPLAIN QUERY PLAN ";
        await using var command = statement.On(connection, explain);
        var lines = new List<string>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            lines.Add(reader.GetString(reader.FieldCount - 1));
        var text = string.Join('\n', lines);
        return connection is NpgsqlConnection ? OfPostgreSql(text) : OfSqlite(text);
    }

    private static QueryPlan OfPostgreSql(string text)
    {
        var indexes = new List<string>();
        var scans = new List<string>();
        using var plan = JsonDocument.Parse(text);
        Visit(plan.RootElement[0].GetProperty("Plan"));
        return new QueryPlan(indexes, scans, text);

        void Visit(JsonElement node)
        {
            if (node.TryGetProperty("Index Name", out var index))
                indexes.Add(index.GetString()!);
            if (node.GetProperty("Node Type").GetString() == "Seq Scan")
                scans.Add(node.GetProperty("Relation Name").GetString()!);
            if (node.TryGetProperty("Plans", out var children))
            {
                foreach (var child in children.EnumerateArray())
                    Visit(child);
            }
        }
    }

    // SEARCH reads part of a table or index. SCAN reads all of it, even with "USING INDEX". A constant row comes from EXISTS, and a virtual
    // table from a parameter.
    private static QueryPlan OfSqlite(string text) => new(
        [.. SqliteIndexes().Matches(text).Select(match => match.Groups[1].Value)],
        [.. SqliteScans().Matches(text).Select(match => match.Groups[1].Value)], text);

    [GeneratedRegex(@"^SEARCH .* USING (?:COVERING )?INDEX (\S+)", RegexOptions.Multiline)]
    private static partial Regex SqliteIndexes();

    [GeneratedRegex(@"^SCAN (?!CONSTANT ROW)(\S+)\b(?! VIRTUAL TABLE)", RegexOptions.Multiline)]
    private static partial Regex SqliteScans();
}
