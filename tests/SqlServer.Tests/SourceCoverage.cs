using System.Text.RegularExpressions;
using ConcertSaga.Testing;
using Xunit;

namespace ConcertSaga.SqlServer.Tests;

/// <summary>Checks that each call in the product's source that sends a statement was reached.</summary>
internal static partial class SourceCoverage
{
    // Calls that this test need not reach, by a part of their line.
    private static readonly Dictionary<string, string> NotReached = new()
    {
        ["CanConnectAsync"] = "opens a connection and sends nothing",
        ["MigrateAsync"] = "SchemaTests checks the scripts",
        ["FOR NO KEY UPDATE"] = "only on PostgreSQL"
    };

    // The saga repository can also correlate by query, insert first, work outside the outbox, and load in a transaction. The product's saga
    // uses none of that. Handlers with a transaction of their own use the same inserts through another context.
    private static readonly HashSet<string> Unused =
    [
        .. new[] { "SendQuery", "InTransactionAsync" }.Select(method => $"EntityFrameworkSagaRepositoryContextFactory.cs:{method}"),
        .. new[] { "Insert", "Find" }.Select(method => $"EntityFrameworkSagaRepositoryContext.cs:{method}"),
        .. new[] { "Load", "Query" }.Select(method => $"EntityFrameworkSagaReadContext.cs:{method}"),
        "InboxFilter.cs:CommitAsync",
        "PostgreSqlTables.cs:WriteAsync",
        // Only on SQLite.
        "DatabaseOrigin.cs:HasTablesAsync"
    ];

    public static void Check(IEnumerable<(string File, int Line)> places)
    {
        var reached = places.ToLookup(place => Path.GetFileName(place.File), place => place.Line);
        var missed = new List<string>();
        foreach (var folder in new[] { "Orchestrator", "Services", "Shared.Persistence", "Shared.Hosting" })
        {
            foreach (var file in Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories)
                .Where(file => !file.Contains("/obj/", StringComparison.Ordinal)
                    && !file.Contains("/Migrations/", StringComparison.Ordinal)))
                missed.AddRange(MissedIn(file, [.. reached[Path.GetFileName(file)]]));
        }
        Assert.True(missed.Count == 0, "These statements were never sent:\n" + string.Join('\n', missed));
    }

    private static IEnumerable<string> MissedIn(string file, HashSet<int> reached)
    {
        var lines = File.ReadAllLines(file);
        var method = "";
        for (var line = 1; line <= lines.Length; line++)
        {
            if (Declaration().Match(lines[line - 1]) is { Success: true } declared)
                method = declared.Groups[1].Value;
            if (!Call().IsMatch(lines[line - 1]) || NotReached.Keys.Any(lines[line - 1].Contains)
                || Unused.Contains($"{Path.GetFileName(file)}:{method}"))
                continue;
            // A statement counts by its first line, which follows the last line that ends another statement.
            var from = line;
            while (from > 1 && (!Ends().IsMatch(lines[from - 2]) || Opened(lines[(from - 1)..line]) < 0))
                from--;
            // Optimised code may report the previous line. If that line sends nothing itself, it can only stand for this one.
            if (from > 1 && !Call().IsMatch(lines[from - 2]))
                from--;
            if (!Enumerable.Range(from, line - from + 1).Any(reached.Contains))
                yield return $"{Path.GetFileName(file)}({line}): {lines[line - 1].Trim()} (reached nearby: "
                    + $"{string.Join(", ", reached.Where(other => Math.Abs(other - line) < 15).Order())})";
        }
    }

    private static int Opened(string[] lines) => lines.Sum(line => line.Count(c => c == '(') - line.Count(c => c == ')'));

    // Calls by which EF Core, or the plain command of the inbox, sends a statement.
    [GeneratedRegex(@"\.(ToListAsync|ToArrayAsync|First(OrDefault)?Async|Single(OrDefault)?Async|AnyAsync|CountAsync|SumAsync|"
        + @"ExecuteUpdateAsync|ExecuteDeleteAsync|SaveChangesAsync|ExecuteScalarAsync|ExecuteNonQueryAsync|ExecuteReaderAsync|"
        + @"CanConnectAsync|MigrateAsync)\(")]
    private static partial Regex Call();

    [GeneratedRegex(@"^\s*(?:public|private|internal|protected)[\w\s<>,?\[\]().]* (\w+)(?:<\w+>)?\(")]
    private static partial Regex Declaration();

    [GeneratedRegex(@"([;{}]|^)\s*$|^\s*//|=>\s*$|^\s*else$|^\s*do$")]
    private static partial Regex Ends();
}
