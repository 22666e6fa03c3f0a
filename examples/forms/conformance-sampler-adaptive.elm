{
  "library": {
    "identifier": {
      "id": "ConformanceSamplerAdaptive",
      "version": "2026.1"
    },
    "schemaIdentifier": {
      "id": "urn:hl7-org:elm",
      "version": "r1"
    },
    "usings": {
      "def": [
        {
          "localIdentifier": "System",
          "uri": "urn:hl7-org:elm-types:r1"
        },
        {
          "localIdentifier": "FHIR",
          "uri": "http://hl7.org/fhir",
          "version": "4.0.1"
        }
      ]
    },
    "codeSystems": {
      "def": [
        {
          "name": "loinc.org",
          "id": "http://loinc.org",
          "accessLevel": "Public"
        }
      ]
    },
    "codes": {
      "def": [
        {
          "name": "loinc 29463-7",
          "id": "29463-7",
          "accessLevel": "Public",
          "codeSystem": {
            "name": "loinc.org"
          }
        }
      ]
    },
    "contexts": {
      "def": [
        {
          "name": "Patient"
        }
      ]
    },
    "statements": {
      "def": [
        {
          "name": "Patient",
          "context": "Patient",
          "expression": {
            "type": "SingletonFrom",
            "operand": {
              "dataType": "{http://hl7.org/fhir}Patient",
              "type": "Retrieve"
            }
          }
        },
        {
          "name": "weight value",
          "context": "Patient",
          "accessLevel": "Public",
          "expression": {
            "type": "First",
            "source": {
              "type": "Query",
              "source": [
                {
                  "alias": "L",
                  "expression": {
                    "type": "List",
                    "element": [
                      {
                        "type": "Query",
                        "source": [
                          {
                            "alias": "R",
                            "expression": {
                              "codeProperty": "code",
                              "codeComparator": "~",
                              "codes": {
                                "type": "ToList",
                                "operand": {
                                  "name": "loinc 29463-7",
                                  "type": "CodeRef"
                                }
                              },
                              "dataType": "{http://hl7.org/fhir}Observation",
                              "type": "Retrieve"
                            }
                          }
                        ],
                        "relationship": [],
                        "where": {
                          "type": "And",
                          "operand": [
                            {
                              "type": "And",
                              "operand": [
                                {
                                  "type": "In",
                                  "operand": [
                                    {
                                      "path": "value",
                                      "type": "Property",
                                      "source": {
                                        "path": "status",
                                        "type": "Property",
                                        "scope": "R"
                                      }
                                    },
                                    {
                                      "type": "List",
                                      "element": [
                                        {
                                          "valueType": "{urn:hl7-org:elm-types:r1}String",
                                          "value": "final",
                                          "type": "Literal"
                                        },
                                        {
                                          "valueType": "{urn:hl7-org:elm-types:r1}String",
                                          "value": "amended",
                                          "type": "Literal"
                                        },
                                        {
                                          "valueType": "{urn:hl7-org:elm-types:r1}String",
                                          "value": "corrected",
                                          "type": "Literal"
                                        }
                                      ]
                                    }
                                  ]
                                },
                                {
                                  "type": "Not",
                                  "operand": {
                                    "type": "IsNull",
                                    "operand": {
                                      "path": "value",
                                      "type": "Property",
                                      "source": {
                                        "strict": false,
                                        "type": "As",
                                        "operand": {
                                          "path": "value",
                                          "type": "Property",
                                          "scope": "R"
                                        },
                                        "asTypeSpecifier": {
                                          "name": "{http://hl7.org/fhir}Quantity",
                                          "type": "NamedTypeSpecifier"
                                        }
                                      }
                                    }
                                  }
                                }
                              ]
                            },
                            {
                              "type": "Equal",
                              "operand": [
                                {
                                  "path": "value",
                                  "type": "Property",
                                  "source": {
                                    "path": "code",
                                    "type": "Property",
                                    "source": {
                                      "strict": false,
                                      "type": "As",
                                      "operand": {
                                        "path": "value",
                                        "type": "Property",
                                        "scope": "R"
                                      },
                                      "asTypeSpecifier": {
                                        "name": "{http://hl7.org/fhir}Quantity",
                                        "type": "NamedTypeSpecifier"
                                      }
                                    }
                                  }
                                },
                                {
                                  "valueType": "{urn:hl7-org:elm-types:r1}String",
                                  "value": "kg",
                                  "type": "Literal"
                                }
                              ]
                            }
                          ]
                        },
                        "return": {
                          "distinct": false,
                          "expression": {
                            "type": "Tuple",
                            "element": [
                              {
                                "name": "start",
                                "value": {
                                  "path": "value",
                                  "type": "Property",
                                  "source": {
                                    "strict": false,
                                    "type": "As",
                                    "operand": {
                                      "path": "effective",
                                      "type": "Property",
                                      "scope": "R"
                                    },
                                    "asTypeSpecifier": {
                                      "name": "{http://hl7.org/fhir}dateTime",
                                      "type": "NamedTypeSpecifier"
                                    }
                                  }
                                }
                              },
                              {
                                "name": "end",
                                "value": {
                                  "path": "value",
                                  "type": "Property",
                                  "source": {
                                    "strict": false,
                                    "type": "As",
                                    "operand": {
                                      "path": "effective",
                                      "type": "Property",
                                      "scope": "R"
                                    },
                                    "asTypeSpecifier": {
                                      "name": "{http://hl7.org/fhir}dateTime",
                                      "type": "NamedTypeSpecifier"
                                    }
                                  }
                                }
                              },
                              {
                                "name": "value",
                                "value": {
                                  "path": "value",
                                  "type": "Property",
                                  "source": {
                                    "path": "value",
                                    "type": "Property",
                                    "source": {
                                      "strict": false,
                                      "type": "As",
                                      "operand": {
                                        "path": "value",
                                        "type": "Property",
                                        "scope": "R"
                                      },
                                      "asTypeSpecifier": {
                                        "name": "{http://hl7.org/fhir}Quantity",
                                        "type": "NamedTypeSpecifier"
                                      }
                                    }
                                  }
                                }
                              },
                              {
                                "name": "inside",
                                "value": {
                                  "valueType": "{urn:hl7-org:elm-types:r1}Boolean",
                                  "value": "true",
                                  "type": "Literal"
                                }
                              }
                            ]
                          }
                        }
                      }
                    ]
                  }
                }
              ],
              "relationship": [],
              "where": {
                "valueType": "{urn:hl7-org:elm-types:r1}Boolean",
                "value": "true",
                "type": "Literal"
              },
              "return": {
                "distinct": false,
                "expression": {
                  "type": "First",
                  "source": {
                    "type": "Query",
                    "source": [
                      {
                        "alias": "E",
                        "expression": {
                          "type": "List",
                          "element": [
                            {
                              "type": "Query",
                              "source": [
                                {
                                  "alias": "M",
                                  "expression": {
                                    "name": "L",
                                    "type": "AliasRef"
                                  }
                                }
                              ],
                              "relationship": [],
                              "where": {
                                "type": "Not",
                                "operand": {
                                  "type": "Exists",
                                  "operand": {
                                    "type": "Query",
                                    "source": [
                                      {
                                        "alias": "N",
                                        "expression": {
                                          "name": "L",
                                          "type": "AliasRef"
                                        }
                                      }
                                    ],
                                    "relationship": [],
                                    "where": {
                                      "type": "And",
                                      "operand": [
                                        {
                                          "path": "inside",
                                          "type": "Property",
                                          "scope": "N"
                                        },
                                        {
                                          "type": "Greater",
                                          "operand": [
                                            {
                                              "path": "start",
                                              "type": "Property",
                                              "scope": "N"
                                            },
                                            {
                                              "path": "end",
                                              "type": "Property",
                                              "scope": "M"
                                            }
                                          ]
                                        }
                                      ]
                                    }
                                  }
                                }
                              }
                            }
                          ]
                        }
                      }
                    ],
                    "relationship": [],
                    "where": {
                      "type": "And",
                      "operand": [
                        {
                          "type": "And",
                          "operand": [
                            {
                              "type": "Equal",
                              "operand": [
                                {
                                  "type": "Count",
                                  "source": {
                                    "type": "Distinct",
                                    "operand": {
                                      "type": "Query",
                                      "source": [
                                        {
                                          "alias": "V",
                                          "expression": {
                                            "name": "E",
                                            "type": "AliasRef"
                                          }
                                        }
                                      ],
                                      "relationship": [],
                                      "where": {
                                        "valueType": "{urn:hl7-org:elm-types:r1}Boolean",
                                        "value": "true",
                                        "type": "Literal"
                                      },
                                      "return": {
                                        "distinct": false,
                                        "expression": {
                                          "path": "value",
                                          "type": "Property",
                                          "scope": "V"
                                        }
                                      }
                                    }
                                  }
                                },
                                {
                                  "valueType": "{urn:hl7-org:elm-types:r1}Integer",
                                  "value": "1",
                                  "type": "Literal"
                                }
                              ]
                            },
                            {
                              "type": "Not",
                              "operand": {
                                "type": "Exists",
                                "operand": {
                                  "type": "Query",
                                  "source": [
                                    {
                                      "alias": "V",
                                      "expression": {
                                        "name": "E",
                                        "type": "AliasRef"
                                      }
                                    }
                                  ],
                                  "relationship": [],
                                  "where": {
                                    "type": "IsNull",
                                    "operand": {
                                      "path": "value",
                                      "type": "Property",
                                      "scope": "V"
                                    }
                                  }
                                }
                              }
                            }
                          ]
                        },
                        {
                          "type": "Exists",
                          "operand": {
                            "type": "Query",
                            "source": [
                              {
                                "alias": "P",
                                "expression": {
                                  "name": "L",
                                  "type": "AliasRef"
                                }
                              }
                            ],
                            "relationship": [],
                            "where": {
                              "type": "And",
                              "operand": [
                                {
                                  "path": "inside",
                                  "type": "Property",
                                  "scope": "P"
                                },
                                {
                                  "type": "Not",
                                  "operand": {
                                    "type": "IsNull",
                                    "operand": {
                                      "path": "value",
                                      "type": "Property",
                                      "scope": "P"
                                    }
                                  }
                                }
                              ]
                            }
                          }
                        }
                      ]
                    },
                    "return": {
                      "distinct": false,
                      "expression": {
                        "type": "First",
                        "source": {
                          "type": "Query",
                          "source": [
                            {
                              "alias": "V",
                              "expression": {
                                "name": "E",
                                "type": "AliasRef"
                              }
                            }
                          ],
                          "relationship": [],
                          "where": {
                            "valueType": "{urn:hl7-org:elm-types:r1}Boolean",
                            "value": "true",
                            "type": "Literal"
                          },
                          "return": {
                            "distinct": false,
                            "expression": {
                              "path": "value",
                              "type": "Property",
                              "scope": "V"
                            }
                          }
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        },
        {
          "name": "weight",
          "context": "Patient",
          "accessLevel": "Public",
          "expression": {
            "type": "If",
            "condition": {
              "type": "IsNull",
              "operand": {
                "name": "weight value",
                "type": "ExpressionRef"
              }
            },
            "then": {
              "type": "Null"
            },
            "else": {
              "classType": "{urn:hl7-org:elm-types:r1}Quantity",
              "type": "Instance",
              "element": [
                {
                  "name": "value",
                  "value": {
                    "name": "weight value",
                    "type": "ExpressionRef"
                  }
                },
                {
                  "name": "unit",
                  "value": {
                    "valueType": "{urn:hl7-org:elm-types:r1}String",
                    "value": "kg",
                    "type": "Literal"
                  }
                }
              ]
            }
          }
        },
        {
          "name": "observations",
          "context": "Patient",
          "accessLevel": "Public",
          "expression": {
            "dataType": "{http://hl7.org/fhir}Observation",
            "type": "Retrieve"
          }
        },
        {
          "name": "as of",
          "context": "Patient",
          "accessLevel": "Public",
          "expression": {
            "type": "Today"
          }
        }
      ]
    }
  }
}
