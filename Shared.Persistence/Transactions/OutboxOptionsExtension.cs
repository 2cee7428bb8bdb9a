using ConcertSaga.Shared.Concurrency;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Gives each context an <see cref="OutboxScope"/>.</summary>
internal sealed class OutboxOptionsExtension : IDbContextOptionsExtension
{
    private static readonly OutboxOptionsExtension Instance = new();

    public DbContextOptionsExtensionInfo Info => field ??= new ExtensionInfo(this);

    public static void AddTo(DbContextOptionsBuilder options) =>
        ((IDbContextOptionsBuilderInfrastructure)options).AddOrUpdateExtension(Instance);

    public void ApplyServices(IServiceCollection services)
    {
        services.AddScoped<OutboxScope>();
        services.AddScoped<IResettableService>(static provider => provider.GetRequiredService<OutboxScope>());
    }

    public void Validate(IDbContextOptions options)
    {
    }

    private sealed class ExtensionInfo(IDbContextOptionsExtension extension) : DbContextOptionsExtensionInfo(extension)
    {
        public override bool IsDatabaseProvider => false;

        public override string LogFragment => "";

        public override int GetServiceProviderHashCode() => 0;

        public override bool ShouldUseSameServiceProvider(DbContextOptionsExtensionInfo other) => other is ExtensionInfo;

        public override void PopulateDebugInfo(IDictionary<string, string> debugInfo) => debugInfo["MassTransit:Outbox"] = "1";
    }
}

/// <summary>Adds the outbox to the options of every context of the container, whichever class it is registered as.</summary>
internal sealed class OutboxOptionsConfiguration<TDbContext> : IDbContextOptionsConfiguration<TDbContext>
    where TDbContext : DbContext
{
    private static readonly SqliteWriterGate Gate = new();

    public void Configure(IServiceProvider serviceProvider, DbContextOptionsBuilder optionsBuilder)
    {
        OutboxOptionsExtension.AddTo(optionsBuilder);
        optionsBuilder.AddInterceptors(HandlerTransaction.Instance, CommitInterceptor.Instance, Gate);
    }
}
