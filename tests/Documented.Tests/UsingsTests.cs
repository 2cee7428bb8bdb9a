using System.Reflection;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Xunit;

namespace ConcertSaga.Documented.Tests;

/// <summary>The documented types are in the documented namespaces.</summary>
public sealed class UsingsTests
{
    [Theory]
    [InlineData(typeof(SagaClassMap<>), "MassTransit")]
    [InlineData(typeof(EntityFrameworkOutboxConfigurationExtensions), "MassTransit")]
    [InlineData(typeof(EntityFrameworkSagaRepositoryRegistrationExtensions), "MassTransit")]
    [InlineData(typeof(IEntityFrameworkOutboxConfigurator), "MassTransit")]
    [InlineData(typeof(IEntityFrameworkBusOutboxConfigurator), "MassTransit")]
    [InlineData(typeof(IEntityFrameworkSagaRepositoryConfigurator), "MassTransit")]
    [InlineData(typeof(IEntityFrameworkSagaRepositoryConfigurator<>), "MassTransit")]
    [InlineData(typeof(SagaDbContext), "MassTransit.EntityFrameworkCoreIntegration")]
    [InlineData(typeof(ISagaClassMap), "MassTransit.EntityFrameworkCoreIntegration")]
    [InlineData(typeof(ILockStatementProvider), "MassTransit.EntityFrameworkCoreIntegration")]
    [InlineData(typeof(SqlServerLockStatementProvider), "MassTransit.EntityFrameworkCoreIntegration")]
    [InlineData(typeof(PostgresLockStatementProvider), "MassTransit.EntityFrameworkCoreIntegration")]
    [InlineData(typeof(SqliteLockStatementProvider), "MassTransit.EntityFrameworkCoreIntegration")]
    [InlineData(typeof(InboxState), "MassTransit.EntityFrameworkCoreIntegration")]
    [InlineData(typeof(OutboxState), "MassTransit.EntityFrameworkCoreIntegration")]
    [InlineData(typeof(OutboxMessage), "MassTransit.EntityFrameworkCoreIntegration")]
    public void Type_OfTheSurface_IsInItsDocumentedNamespace(Type type, string name) => Assert.Equal(name, type.Namespace);

    /// <summary>Every <c>Use…</c> method returns its configurator, so that calls can be chained.</summary>
    [Fact]
    public void ServerMethods_Return_TheirConfigurator()
    {
        var methods = typeof(SagaDbContext).Assembly.GetExportedTypes().Where(type => type.Namespace == "MassTransit")
            .SelectMany(type => type.GetMethods())
            .Where(method => method.IsStatic && method.Name is "UseSqlServer" or "UsePostgres" or "UseSqlite").ToList();
        Assert.NotEmpty(methods);
        Assert.All(methods, method => Assert.Equal(method.GetParameters()[0].ParameterType, method.ReturnType));
    }

    /// <summary>The file needs only the using directives that the documentation shows.</summary>
    [Fact]
    public void StateFile_UsesOnly_MassTransit()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("OrderStates.cs")!;
        using var reader = new StreamReader(stream);
        Assert.DoesNotContain(nameof(MassTransit.EntityFrameworkCoreIntegration), reader.ReadToEnd(), StringComparison.Ordinal);
    }
}
