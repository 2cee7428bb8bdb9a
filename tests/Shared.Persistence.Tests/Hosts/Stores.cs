using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>The database servers of parameterized tests.</summary>
public static class Stores
{
    public static TheoryData<Store> All => [.. Enum.GetValues<Store>()];

    /// <summary>The stores without an execution strategy.</summary>
    public static TheoryData<Store> Plain => [Store.Sqlite, Store.PostgreSql];

    /// <summary>Each store with both values of a flag.</summary>
    public static MatrixTheoryData<Store, bool> AllTwice => new(Enum.GetValues<Store>(), [false, true]);

    /// <summary>The stores without an execution strategy, with both values of a flag.</summary>
    public static MatrixTheoryData<Store, bool> PlainTwice => new([Store.Sqlite, Store.PostgreSql], [false, true]);

    /// <summary>Each store with the in-memory transport, and PostgreSQL also with a broker.</summary>
    public static TheoryData<Store, bool> AllAndOverBroker => new()
    {
        { Store.Sqlite, false }, { Store.SqliteRetrying, false }, { Store.PostgreSql, false }, { Store.PostgreSqlRetrying, false },
        { Store.PostgreSql, true }, { Store.PostgreSqlRetrying, true }
    };
}
