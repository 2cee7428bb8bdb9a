using System.Net.Sockets;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Tests.Failures;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace ConcertSaga.Shared.Hosting.Tests.Databases;

/// <summary>A failure of a database is described in the product's words, never in those of its driver.</summary>
public sealed class DatabaseFailureTests
{
    private const string Secret = "no such table: hidden; Host=db";

    [Theory]
    [InlineData(1, "table or column is missing")]
    [InlineData(5, "busy")]
    [InlineData(8, "read-only")]
    [InlineData(10, "disk fails")]
    [InlineData(11, "damaged")]
    [InlineData(13, "full")]
    [InlineData(14, "cannot be opened")]
    [InlineData(26, "not a database")]
    [InlineData(99, "reports an error")]
    public void Failure_OfSqlite_IsDescribed(int code, string says) => Check(new SqliteException(Secret, code), says);

    [Theory]
    [InlineData("25006", "read-only")]
    [InlineData("53100", "full")]
    [InlineData("53300", "busy")]
    [InlineData("42P01", "table or column is missing")]
    [InlineData("3D000", "does not exist")]
    [InlineData("28P01", "refuses the connection")]
    [InlineData("57P01", "cannot be reached")]
    [InlineData("08006", "cannot be reached")]
    [InlineData("XX000", "reports an error")]
    public void Failure_OfPostgreSql_IsDescribed(string state, string says) =>
        Check(new PostgresException(Secret, "ERROR", "ERROR", state), says);

    [Theory]
    [InlineData(208, "table or column is missing")]
    [InlineData(9002, "full")]
    [InlineData(1205, "busy")]
    [InlineData(3906, "read-only")]
    [InlineData(18456, "refuses the connection")]
    [InlineData(10061, "cannot be reached")]
    [InlineData(50000, "reports an error")]
    public void Failure_OfSqlServer_IsDescribed(int number, string says) => Check(FailurePolicyTests.SqlServer(number), says);

    [Fact]
    public void Failure_OfTheNetwork_IsDescribed()
    {
        Check(new NpgsqlException(Secret, new SocketException(111)), "cannot be reached");
        Check(new NpgsqlException(Secret, new EndOfStreamException(Secret)), "cannot be reached");
        Check(new NpgsqlException(Secret, new TimeoutException(Secret)), "does not answer");
        Check(new InvalidOperationException(Secret), "reports an error");
    }

    private static void Check(Exception failure, string says)
    {
        foreach (var exception in new[] { failure, new DbUpdateException(Secret, failure) })
        {
            var text = DatabaseFailure.Describe(exception);
            Assert.Contains(says, text, StringComparison.Ordinal);
            Assert.DoesNotContain("hidden", text, StringComparison.Ordinal);
        }
    }
}
