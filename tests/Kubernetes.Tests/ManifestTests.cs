using ConcertSaga.Kubernetes.Tests.Manifests;
using k8s.Models;

namespace ConcertSaga.Kubernetes.Tests;

/// <summary>The strict loading notices what a cluster would ignore or refuse.</summary>
public sealed class ManifestTests
{
    public static TheoryData<string> Folders => [.. Manifest.Folders];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Folder_OfTheManifests_LoadsStrictly(string folder)
    {
        var manifest = Manifest.Read(folder);

        Assert.True(manifest.Processes.Count() >= 8, folder);
        Assert.All(manifest.Documents.Where(document => document is not V1Namespace), document =>
            Assert.Equal("concertsaga", document.Metadata.NamespaceProperty));
        Assert.Equal(manifest.Documents.Count, manifest.Documents.DistinctBy(document => (document.Kind, document.Metadata.Name)).Count());
    }

    [Theory]
    [InlineData("replica: 2")]
    [InlineData("replicas: two")]
    public void Document_WithAMistake_IsRefused(string line) =>
        Assert.ThrowsAny<Exception>(() =>
            Manifest.Parse("", $"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\nspec:\n  {line}\n"));

    [Fact]
    public void Document_OfAnUnknownKind_IsRefused() =>
        Assert.ThrowsAny<Exception>(() => Manifest.Parse("", "apiVersion: apps/v1\nkind: Deploymet\nmetadata:\n  name: a\n"));
}
