using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Adds row locks to the queries that carry a tag of its own. So a locking query is ordinary LINQ, which Entity Framework Core translates
/// once; the same as raw SQL with parameters would be translated anew each time, under a lock of the whole process.
/// </summary>
internal sealed class RowLocks : DbCommandInterceptor
{
    public static readonly RowLocks Instance = new();

    private const string Comment = "-- ";
    private const string Prefix = "Row lock: ";

    private static readonly ConcurrentDictionary<string, (ILockStatementProvider Provider, string Table)> Tags = new();

    // As many as there are different queries: their values are parameters.
    private static readonly ConcurrentDictionary<string, string> Statements = new();

    private RowLocks()
    {
    }

    /// <summary>The tag of a query that is to lock rows of an entity.</summary>
    /// <exception cref="InvalidOperationException">The context has no such entity, or its options do not know the locks.</exception>
    public static string TagFor(DbContext context, Type entity, ILockStatementProvider? provider)
    {
        var type = context.Model.FindEntityType(entity)
            ?? throw new InvalidOperationException($"{context.GetType().Name} has no {entity.Name}.");
        provider ??= ProviderOf(context);
        if (provider is not SqliteLockStatementProvider && !AreKnownTo(context))
        {
            throw new InvalidOperationException(
                $"{context.GetType().Name} cannot lock rows, because its options were made by hand; register it with AddDbContext, AddDbContextPool or AddDbContextFactory, or set ConcurrencyMode.Optimistic for {entity.Name}.");
        }
        var table = context.GetService<ISqlGenerationHelper>().DelimitIdentifier(type.GetTableName()!, type.GetSchema());
        var tag = $"{Prefix}{table} by {provider.GetType().Name}";
        Tags.TryAdd(tag, (provider, table));
        return tag;
    }

    /// <summary>Gives the locks to every context of a type, whenever and however it is registered.</summary>
    public static void AddTo(IServiceCollection services, Type context)
    {
        services.AddSingleton(new LockingContext(context));
        services.TryAddEnumerable(ServiceDescriptor.Singleton(typeof(IDbContextOptionsConfiguration<>), typeof(RowLockConfiguration<>)));
    }

    public override InterceptionResult<DbDataReader> ReaderExecuting(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result)
    {
        Lock(command);
        return result;
    }

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        Lock(command);
        return new ValueTask<InterceptionResult<DbDataReader>>(result);
    }

    private static void Lock(DbCommand command)
    {
        var text = command.CommandText;
        if (!text.StartsWith(Comment + Prefix, StringComparison.Ordinal))
            return;
#pragma warning disable CA2100 // What is added is the same for every value.
        command.CommandText = Statements.GetOrAdd(text, static statement =>
        {
            var end = statement.AsSpan().IndexOfAny('\r', '\n');
            var (provider, table) = Tags[statement[Comment.Length..end]];
            return provider.LockRows(statement, table);
        });
#pragma warning restore CA2100
    }

    private static bool AreKnownTo(DbContext context) =>
        context.GetService<IDbContextOptions>().FindExtension<CoreOptionsExtension>()?.Interceptors?.Contains(Instance) == true;

    private static ILockStatementProvider ProviderOf(DbContext context) => context.Database.ProviderName switch
    {
        { } name when name.EndsWith("SqlServer", StringComparison.Ordinal) => new SqlServerLockStatementProvider(),
        { } name when name.EndsWith("PostgreSQL", StringComparison.Ordinal) => new PostgresLockStatementProvider(),
        { } name when name.EndsWith("Sqlite", StringComparison.Ordinal) => new SqliteLockStatementProvider(),
        var name => throw new InvalidOperationException($"How {name} locks rows is not known; set LockStatementProvider, or ConcurrencyMode.Optimistic.")
    };

    internal sealed record LockingContext(Type Type);

    // Asked by Entity Framework Core when it makes the options of any context of the container.
    internal sealed class RowLockConfiguration<TContext>(IEnumerable<LockingContext> locking) : IDbContextOptionsConfiguration<TContext>
        where TContext : DbContext
    {
        public void Configure(IServiceProvider serviceProvider, DbContextOptionsBuilder optionsBuilder)
        {
            // The one that is registered may derive from the one that is named.
            if (locking.Any(context => context.Type.IsAssignableFrom(typeof(TContext))))
                optionsBuilder.AddInterceptors(Instance);
        }
    }
}
