using System.Reflection;
using ConcertSaga.Shared.Hosting.Failures;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace ConcertSaga.Shared.Hosting.Tests.Failures;

/// <summary>Transient failures. A caller gets a 503 for them, and a message is retried for ten minutes.</summary>
public sealed class FailurePolicyTests
{
    [Theory]
    [InlineData(5, true)]    // busy
    [InlineData(6, true)]    // locked
    [InlineData(8, true)]    // read-only
    [InlineData(10, true)]   // input or output
    [InlineData(13, true)]   // full
    [InlineData(14, true)]   // cannot open
    [InlineData(15, true)]   // lock protocol
    [InlineData(1, false)]   // no such table
    [InlineData(11, false)]  // corrupt
    [InlineData(19, false)]  // constraint
    [InlineData(26, false)]  // not a database
    public void Failure_OfSqlite_IsJudgedByItsCode(int code, bool isTransient) => Check(new SqliteException("test", code), isTransient);

    [Theory]
    [InlineData("53100", true)]
    [InlineData("53200", true)]
    [InlineData("53300", true)]
    [InlineData("57P01", true)]
    [InlineData("57P03", true)]
    [InlineData("57014", true)]
    [InlineData("08006", true)]
    [InlineData("25006", true)]
    [InlineData("40001", true)]
    [InlineData("40P01", true)]
    [InlineData("55P03", true)]
    [InlineData("58030", true)]
    [InlineData("3D000", true)]
    [InlineData("28P01", true)]
    [InlineData("23505", false)]
    [InlineData("23514", false)]
    [InlineData("22021", false)]
    [InlineData("42P01", false)]
    [InlineData("42501", false)]
    public void Failure_OfPostgreSql_IsJudgedByItsState(string state, bool isTransient) =>
        Check(new PostgresException("test", "ERROR", "ERROR", state), isTransient);

    /// <summary>PostgreSQL refuses a new session with this state while the disk is full and a catalog has changed.</summary>
    [Theory]
    [InlineData("FATAL", true)]
    [InlineData("PANIC", true)]
    [InlineData("ERROR", false)]
    public void Failure_OfPostgreSqlWithoutItsOwnState_IsJudgedByItsSeverity(string severity, bool isTransient) =>
        Check(new PostgresException("could not write init file", "in another language", severity, "XX000"), isTransient);

    /// <summary>Numbers of EF Core's list for SQL Server and Azure, and those the product adds.</summary>
    [Fact]
    public void Failure_OfSqlServer_IsJudgedByItsNumber()
    {
        int[] transient =
        [
            -2, 20, 64, 233, 601, 615, 617, 669, 701, 802, 823, 921, 926, 997, 1101, 1105, 1203, 1204, 1205, 1221, 1222, 1807, 3906, 3935,
            3960, 3966, 4060, 4221, 5149, 6005, 8628, 8645, 8651, 9002, 10053, 10054, 10060, 10061, 10928, 10929, 10936, 18456, 40143,
            40166, 40197, 40501, 40540, 40613, 41301, 41302, 41305, 41325, 41839, 42108, 42109, 49918, 49919, 49920
        ];
        Assert.DoesNotContain(transient, number => !FailurePolicy.IsTransient(SqlServer(number)));
        int[] lasting = [102, 207, 208, 229, 245, 515, 547, 2601, 2627, 8115, 8134, 8152];
        Assert.DoesNotContain(lasting, number => FailurePolicy.IsTransient(SqlServer(number)));
    }

    [Fact]
    public void Failure_OfAnExhaustedPool_IsTransient()
    {
        var exhausted = new InvalidOperationException(
            "Timeout expired. The timeout period elapsed prior to obtaining a connection from the pool.")
        { Source = "Microsoft.Data.SqlClient" };
        Check(exhausted, true);
        Check(new NpgsqlException("The connection pool has been exhausted", new TimeoutException()), true);
        Check(new InvalidOperationException("A pool is mentioned."), false);
    }

    [Fact]
    public void Failure_ForLackOfMemory_IsTransientUnlessATypeStaysUnusable()
    {
        Check(new InsufficientMemoryException(), true);
        Check(new TypeInitializationException("Type", new InsufficientMemoryException()), false);
    }

    private static void Check(Exception exception, bool isTransient)
    {
        Assert.Equal(isTransient, FailurePolicy.IsTransient(exception));
        Assert.Equal(isTransient, FailurePolicy.IsTransient(new DbUpdateException("wrapped", exception)));
    }

    // SqlClient has no public constructors for its exceptions.
    internal static SqlException SqlServer(int number)
    {
        const BindingFlags all = BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;
        var constructor = typeof(SqlError).GetConstructors(all).OrderByDescending(candidate => candidate.GetParameters().Length).First();
        var error = constructor.Invoke([.. constructor.GetParameters()
            .Select((parameter, index) => index == 0 ? number : DefaultOf(parameter.ParameterType))]);
        var errors = Activator.CreateInstance(typeof(SqlErrorCollection), nonPublic: true)!;
        typeof(SqlErrorCollection).GetMethod("Add", all)!.Invoke(errors, [error]);
        var create = typeof(SqlException).GetMethods(all)
            .First(method => method.Name == "CreateException" && method.GetParameters() is [var first, var second, ..]
            && first.ParameterType == typeof(SqlErrorCollection) && second.ParameterType == typeof(string));
        return (SqlException)create.Invoke(null,
            [errors, "16.0", .. create.GetParameters().Skip(2).Select(parameter => DefaultOf(parameter.ParameterType))])!;
    }

    private static object? DefaultOf(Type type) =>
        type == typeof(string) ? "test" : type.IsValueType ? Activator.CreateInstance(type) : null;
}
