using System.Data.Common;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>
/// Checks a connection string before anything connects. No message repeats a value or an unknown keyword: part of a password that contains
/// a semicolon looks like a keyword.
/// </summary>
internal static class ConnectionStrings
{
    /// <summary>Throws a <see cref="StartupException"/> that names the key if the provider cannot use the text.</summary>
    public static void Check(string key, DatabaseProvider provider, string text)
    {
        var (known, example) = provider switch
        {
            DatabaseProvider.Sqlite =>
                ((DbConnectionStringBuilder)new SqliteConnectionStringBuilder(), "Data Source=/var/lib/concertsaga/points.db"),
            DatabaseProvider.PostgreSql => (new NpgsqlConnectionStringBuilder(), "Host=db;Database=points;Username=points;Password=…"),
            _ => (new SqlConnectionStringBuilder(), "Server=db;Database=points;User Id=points;Password=…")
        };
        var problem = Read(known, text) ?? known switch
        {
            NpgsqlConnectionStringBuilder { Host: null or "" } => "names no Host",
            SqlConnectionStringBuilder { DataSource: "" } => "names no Server",
            SqliteConnectionStringBuilder sqlite => ProblemOf(sqlite),
            _ => null
        };
        if (problem is not null)
            throw new StartupException($"{key} {problem}; allowed: a connection string for {provider}, such as {example}.");
    }

    private static string? Read(DbConnectionStringBuilder known, string text)
    {
        var parts = new DbConnectionStringBuilder();
        try
        {
            parts.ConnectionString = text;
        }
        catch (ArgumentException)
        {
            return "is not a connection string";
        }
        foreach (string keyword in parts.Keys)
        {
            try
            {
                known[keyword] = parts[keyword];
            }
            catch (Exception exception) when (exception is ArgumentException or FormatException or InvalidCastException or OverflowException
                or KeyNotFoundException or NotSupportedException)
            {
                return IsKnown(known, keyword) ? $"has an invalid value of '{keyword}'" : "has a keyword that its provider does not know";
            }
        }
        return null;
    }

    private static bool IsKnown(DbConnectionStringBuilder known, string keyword)
    {
        try
        {
            return known.ContainsKey(keyword);
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static string? ProblemOf(SqliteConnectionStringBuilder sqlite)
    {
        if (sqlite.DataSource is "")
            return "names no Data Source";
        // Each connection would get its own empty database.
        if (sqlite.DataSource.Contains(":memory:", StringComparison.OrdinalIgnoreCase) || sqlite.Mode == SqliteOpenMode.Memory)
            return "names a database in memory";
        return Path.GetDirectoryName(Path.GetFullPath(sqlite.DataSource)) is { } folder && !Directory.Exists(folder)
            ? $"names the folder '{folder}', which does not exist" : null;
    }
}
